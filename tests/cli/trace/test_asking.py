"""How nodes are asked for a trace: what becomes of one that cannot be asked, and of a trace that is broken off."""

import asyncio
from contextlib import suppress
from typing import Any

import click
import pytest

from pilothouse.cli.trace.asking import TRIES, reports
from pilothouse.client.client import Client
from pilothouse.client.transport import Call
from pilothouse.model.errors import Conflict, Forbidden, Unavailable
from pilothouse.model.json import Object
from tests.cli.trace.test_story import SENDER, WEB

NODES: dict[str, Object] = {name: {"metadata": {"name": name}, "spec": {}, "status": {}} for name in ("one", "two")}


class Nodes:
    """An API server before nodes. away: what the second one says, where it is an error. is_slow: no report ever comes.

    used: of how many ports that are asked for the sender's pod has connections already.
    """

    def __init__(self, away: Exception | None = None, *, is_slow: bool = False, used: int = 0) -> None:
        self.away, self.is_slow, self.used = away, is_slow, used
        self.asked: list[tuple[str, str]] = []
        self.ports: list[int] = []

    async def call(self, call: Call) -> Any:
        _, _, rest = call.path.partition("/nodes/")
        node, _, what = rest.partition("/proxy/trace")
        self.asked.append((node, what))
        if node == "two" and self.away is not None:
            raise self.away
        if what == "/x" and self.is_slow:
            await asyncio.Event().wait()
        if node == "one" and not what:
            self.ports.append(call.body["sourcePort"])
        if node == "one" and what == "/x" and len(self.ports) <= self.used:
            raise Conflict("the pod uses the port itself")
        return {"id": "x"} if not what else {"steps": [], "sent": None}


def asked(nodes: Nodes) -> Any:
    return reports(Client(nodes), SENDER, WEB, NODES, 1.0)  # type: ignore[arg-type]


async def test_a_node_that_does_not_answer_is_named_and_the_packet_is_sent_all_the_same() -> None:
    nodes = Nodes(Unavailable("its kubelet does not answer"))
    told = await asked(nodes)
    assert set(told.reports) == {"one"}
    assert told.unasked == {"two": "its kubelet does not answer"}
    assert ("one", "/x") in nodes.asked


async def test_who_may_not_trace_hears_which_right_it_takes() -> None:
    with pytest.raises(click.ClickException, match=r"node two trace packets: that takes `create` on nodes/proxy"):
        await asked(Nodes(Forbidden("no")))


async def test_a_trace_that_is_broken_off_tells_every_node_so() -> None:
    nodes = Nodes(is_slow=True)
    task = asyncio.create_task(asked(nodes))
    while ("one", "/x") not in nodes.asked or ("two", "/x") not in nodes.asked:
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert {("one", "/x/end"), ("two", "/x/end")} <= set(nodes.asked)


async def test_another_port_is_chosen_when_the_pod_uses_the_first_itself() -> None:
    nodes = Nodes(used=2)
    assert set((await asked(nodes)).reports) == {"one", "two"}
    assert len(nodes.ports) == 3


async def test_the_search_for_a_port_ends() -> None:
    nodes = Nodes(used=1000)
    with pytest.raises(click.ClickException, match="very many connections"):
        await asked(nodes)
    assert len(nodes.ports) == TRIES
