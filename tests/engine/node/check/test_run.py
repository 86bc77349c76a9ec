"""Checks of every kind: whatever happens, the outcome is one that the pod's worker understands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from pilothouse.engine.node.check.failure import CheckErrored, CheckFailed
from pilothouse.engine.node.check.run import hook, probe
from pilothouse.engine.node.runtime.seam import ExecResult, Runtime, RuntimeFailure
from pilothouse.model.json import Object
from tests.engine.node.check.servers import OK, answering

CONTAINER = {"name": "c"}
HERE = "127.0.0.1"


@dataclass
class Executing:
    """A runtime that runs commands. outcome: what comes of it."""

    outcome: ExecResult | Exception
    runs: int = 0

    async def exec_sync(self, id: str, command: Sequence[str], timeout_s: int) -> ExecResult:
        self.runs += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


async def probed(handler: Object, outcome: ExecResult | Exception | None = None, ip: str = HERE) -> str:
    runtime = Executing(outcome or ExecResult(b"", b"", 0))
    return await probe(cast("Runtime", runtime), handler, CONTAINER, "id", ip, 1.0)


async def test_a_command_that_ends_well_passes() -> None:
    assert await probed({"exec": {"command": ["true"]}}) == ""


async def test_a_command_that_fails_says_what_it_said() -> None:
    with pytest.raises(CheckFailed, match=r"^no file$"):
        await probed({"exec": {"command": ["cat"]}}, ExecResult(b"", b"no file\n", 1))


async def test_a_command_that_cannot_be_run_is_tried_again_and_then_an_error() -> None:
    runtime = Executing(RuntimeFailure("ExecSync", "broken pipe"))
    with pytest.raises(CheckErrored, match="broken pipe"):
        await probe(cast("Runtime", runtime), {"exec": {"command": ["x"]}}, CONTAINER, "id", HERE, 1.0)
    assert runtime.runs == 3


async def test_a_command_that_takes_too_long_fails_once() -> None:
    runtime = Executing(RuntimeFailure("ExecSync", "timed out", "DEADLINE_EXCEEDED"))
    with pytest.raises(CheckFailed, match="command timed out: 'sleep 9' timed out after 1s"):
        await probe(cast("Runtime", runtime), {"exec": {"command": ["sleep", "9"]}}, CONTAINER, "id", HERE, 1.0)
    assert runtime.runs == 1


@pytest.mark.parametrize(
    "handler",
    [
        {"httpGet": {"port": 80, "host": "a" * 64 + ".example"}},
        {"httpGet": {"port": 80, "host": "xn--\udcff"}},
        {"httpGet": {"port": "none"}},
        {"tcpSocket": {"port": 80, "host": "." * 300}},
        {"tcpSocket": {"port": 99999}},
        {"exec": {"command": ["\udcff"]}},
    ],
)
async def test_no_field_of_a_probe_or_hook_breaks_more_than_the_check(handler: Object) -> None:
    with pytest.raises(CheckFailed):
        await probed(handler, UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates"))
    with pytest.raises(CheckFailed):
        await hook(cast("Runtime", Executing(ValueError("x"))), handler, CONTAINER, "id", HERE, 1.0)


@pytest.mark.parametrize("handler", [{"tcpSocket": {"port": 80}}, {"grpc": {"port": 80}}, {"httpGet": {"port": 80}}])
async def test_a_pod_without_an_address_is_not_looked_for_on_the_node(handler: Object) -> None:
    with pytest.raises(CheckErrored, match="no address yet"):
        await probed(handler, ip="")


async def test_a_port_that_is_open_passes() -> None:
    async with answering(OK) as (port, _):
        assert await probed({"tcpSocket": {"port": port}}) == ""
    with pytest.raises(CheckFailed, match="connection refused"):
        await probed({"tcpSocket": {"port": port}})


async def test_a_hook_ends_at_its_limit() -> None:
    with pytest.raises(CheckFailed, match=r"did not end within 0\.05s"):
        await hook(cast("Runtime", None), {"sleep": {"seconds": 9}}, CONTAINER, "id", HERE, 0.05)


async def test_a_hook_that_only_asks_succeeds_with_any_answer() -> None:
    action: dict[str, Any] = {"httpGet": {"path": "/dead"}}
    async with answering(b"HTTP/1.1 500 Oh\r\n\r\n") as (port, _):
        action["httpGet"]["port"] = port
        assert await hook(cast("Runtime", None), action, CONTAINER, "id", HERE, 5.0) == ""
