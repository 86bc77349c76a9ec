"""One try of a probe, and one run of a lifecycle hook: exec, HTTP, TCP, gRPC, sleep."""

import asyncio
from collections.abc import Mapping

from pilothouse.engine.node.cri import check_health
from pilothouse.engine.node.http_check import CheckFailed, get, reason
from pilothouse.engine.node.runtime import Runtime, RuntimeFailure
from pilothouse.model.json import Object

MAX_OUTPUT = 10 * 1024


def port_number(container: Object, port: int | str) -> int:
    """A port by number, or by its name among the container's ports."""
    if isinstance(port, int):
        return port
    for each in container.get("ports") or ():
        if each.get("name") == port:
            return int(each["containerPort"])
    if port.isdigit():
        return int(port)
    raise CheckFailed(f'couldn\'t find port: {port} in container "{container["name"]}"')


async def probe(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str, timeout_s: float) -> None:
    """Returns when the check has succeeded; raises CheckFailed."""
    try:
        async with asyncio.timeout(timeout_s):
            await _probe(runtime, handler, container, container_id, ip, timeout_s)
    except TimeoutError:
        raise CheckFailed(_too_slow(handler, container, ip, timeout_s)) from None


async def _probe(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str, timeout_s: float) -> None:
    if action := handler.get("exec"):
        await run_exec(runtime, container_id, action.get("command") or [], max(1, round(timeout_s)))
    elif action := handler.get("httpGet"):
        await http(action, container, ip)
    elif action := handler.get("tcpSocket"):
        await tcp(action.get("host") or ip, port_number(container, action["port"]))
    elif action := handler.get("grpc"):
        await grpc_health(f"{ip}:{action['port']}", action.get("service") or "", timeout_s)


def _too_slow(handler: Object, container: Object, ip: str, timeout_s: float) -> str:
    if handler.get("exec"):
        return f"command timed out: {' '.join(handler['exec'].get('command') or [])!r} timed out after {timeout_s:g}s"
    if action := handler.get("httpGet"):
        return f'Get "{http_url(action, container, ip)}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    return f"timeout: no answer within {timeout_s:g}s"


async def run_exec(runtime: Runtime, container_id: str, command: list[str], timeout_s: int) -> None:
    try:
        result = await runtime.exec_sync(container_id, command, timeout_s)
    except RuntimeFailure as error:
        raise CheckFailed(error.why) from error
    if result.exit_code != 0:
        said = (result.stdout + result.stderr)[:MAX_OUTPUT].decode(errors="replace")
        raise CheckFailed(said.strip() or f"command ended with exit code {result.exit_code}")


def http_url(action: Object, container: Object, ip: str) -> str:
    host = action.get("host") or ip
    path = action.get("path") or "/"
    shown = f"[{host}]" if ":" in host else host
    scheme = (action.get("scheme") or "HTTP").lower()
    return f"{scheme}://{shown}:{port_number(container, action['port'])}{path if path.startswith('/') else '/' + path}"


async def http(action: Object, container: Object, ip: str) -> None:
    headers: Mapping[str, str] = {each["name"]: each.get("value") or "" for each in action.get("httpHeaders") or ()}
    answer = await get(http_url(action, container, ip), headers)
    if not 200 <= answer.status < 400:
        raise CheckFailed(f"HTTP probe failed with statuscode: {answer.status}")


async def tcp(host: str, port: int) -> None:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise CheckFailed(f"dial tcp {host}:{port}: connect: {reason(error)}") from error
    writer.transport.abort()


async def grpc_health(address: str, service: str, timeout_s: float) -> None:
    try:
        serving = await check_health(address, service, timeout_s)
    except RuntimeFailure as error:
        raise CheckFailed(f"error: {error.why}") from error
    if not serving:
        raise CheckFailed("service unhealthy (responded with a status other than SERVING)")


async def hook(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str, limit_s: float) -> None:
    """A postStart or preStop handler. Raises CheckFailed when it fails or takes longer than `limit_s`."""
    try:
        async with asyncio.timeout(limit_s):
            await _hook(runtime, handler, container, container_id, ip)
    except TimeoutError:
        raise CheckFailed(f"the hook did not end within {limit_s:g}s") from None


async def _hook(runtime: Runtime, handler: Object, container: Object, container_id: str, ip: str) -> None:
    if action := handler.get("exec"):
        await run_exec(runtime, container_id, action.get("command") or [], 0)
    elif action := handler.get("httpGet"):
        await http(action, container, ip)
    elif action := handler.get("sleep"):
        await asyncio.sleep(action.get("seconds") or 0)
    elif action := handler.get("tcpSocket"):
        await tcp(action.get("host") or ip, port_number(container, action["port"]))
