"""One try of a probe, and one run of a lifecycle hook: exec, HTTP, TCP, gRPC, sleep.

Nothing that a container does, and no field of its spec, may end anything but the check: every error is a failed check.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from pilothouse.engine.node.check.failure import CheckErrored, CheckFailed, reason
from pilothouse.engine.node.check.http import hook_http, probe_http
from pilothouse.engine.node.check.request import port_number, with_address
from pilothouse.engine.node.runtime.cri import check_health
from pilothouse.engine.node.runtime.seam import Runtime, RuntimeFailure
from pilothouse.model.json import Object
from pilothouse.model.networks import with_port

log = structlog.get_logger("node.check")

MAX_OUTPUT = 10 * 1024
TRIES = 3
"""How often a check is tried that could not be carried out; one that fails is not tried again."""


@contextmanager
def _as_check() -> Iterator[None]:
    try:
        yield
    except CheckFailed:
        raise
    except (OSError, ValueError, OverflowError) as error:
        # A host that is no name, a port that is none: what the libraries say of a user's field.
        raise CheckErrored(str(error) or type(error).__name__) from error
    except Exception as error:
        log.warning("a check ended unexpectedly", exc_info=error)
        raise CheckErrored(f"{type(error).__name__}: {error}") from error


async def probe(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str, timeout_s: float) -> str:
    """Returns when the check has succeeded, with a warning for the pod's events or ""; raises CheckFailed and nothing else."""
    for last in (*[False] * (TRIES - 1), True):
        try:
            with _as_check():
                return await _probe(runtime, handler, container, container_id, ip, timeout_s)
        except CheckErrored:
            if last:
                raise
    raise AssertionError("the last try returns or raises")


async def _probe(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str, timeout_s: float) -> str:
    if action := handler.get("httpGet"):
        return await probe_http(action, container, ip, timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            if action := handler.get("exec"):
                await run_exec(runtime, container_id, action.get("command") or [], max(1, round(timeout_s)))
            elif action := handler.get("tcpSocket"):
                await tcp(with_address(action.get("host") or ip), port_number(container, action["port"]))
            elif action := handler.get("grpc"):
                await grpc_health(f"{with_address(ip)}:{action['port']}", action.get("service") or "", timeout_s)
    except TimeoutError:
        raise CheckFailed(_too_slow(handler, timeout_s)) from None
    return ""


def _too_slow(handler: Object, timeout_s: float) -> str:
    if handler.get("exec"):
        return f"command timed out: {' '.join(handler['exec'].get('command') or [])!r} timed out after {timeout_s:g}s"
    return f"timeout: no answer within {timeout_s:g}s"


async def run_exec(runtime: Runtime, container_id: str, command: list[str], timeout_s: int) -> None:
    """timeout_s 0: none. Raises CheckFailed, TimeoutError."""
    try:
        result = await runtime.exec_sync(container_id, command, timeout_s)
    except RuntimeFailure as error:
        if error.code == "DEADLINE_EXCEEDED":
            raise TimeoutError from error
        raise CheckErrored(error.why) from error
    if result.exit_code != 0:
        said = (result.stdout + result.stderr)[:MAX_OUTPUT].decode(errors="replace")
        raise CheckFailed(said.strip() or f"command ended with exit code {result.exit_code}")


async def tcp(host: str, port: int) -> None:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise CheckFailed(f"dial tcp {with_port(host, port)}: connect: {reason(error)}") from error
    writer.transport.abort()


async def grpc_health(address: str, service: str, timeout_s: float) -> None:
    try:
        serving = await check_health(address, service, timeout_s)
    except RuntimeFailure as error:
        raise CheckFailed(f"error: {error.why}") from error
    if not serving:
        raise CheckFailed("service unhealthy (responded with a status other than SERVING)")


async def hook(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str, limit_s: float) -> str:
    """A postStart or preStop handler. Returns a warning for the pod's events or "".

    Raises CheckFailed, and nothing else, when it fails or takes longer than `limit_s`.
    """
    try:
        async with asyncio.timeout(limit_s):
            with _as_check():
                return await _hook(runtime, handler, container, container_id, ip)
    except TimeoutError:
        raise CheckFailed(f"the hook did not end within {limit_s:g}s") from None


async def _hook(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str) -> str:
    if action := handler.get("exec"):
        await run_exec(runtime, container_id, action.get("command") or [], 0)
    elif action := handler.get("httpGet"):
        return await hook_http(action, container, ip)
    elif action := handler.get("sleep"):
        await asyncio.sleep(action.get("seconds") or 0)
    elif action := handler.get("tcpSocket"):
        await tcp(with_address(action.get("host") or ip), port_number(container, action["port"]))
    return ""
