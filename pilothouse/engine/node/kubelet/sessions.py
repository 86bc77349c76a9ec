"""Requests about one container of a pod: its log, programs in it, ports of its pod."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

from pilothouse.engine.node.kubelet import host as hosts
from pilothouse.engine.node.kubelet.host import Host
from pilothouse.engine.node.kubelet.pages import TEXT
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.streams import server as streams
from pilothouse.engine.streaming import forwarding
from pilothouse.model.errors import BadRequest, NotFound
from pilothouse.model.json import Object
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.spdy import PROTOCOL

PORT_FORWARD = "portforward.k8s.io"
RUN_S = 120


@dataclass(frozen=True, slots=True)
class _Verb:
    """words: of the path, with and without the pod's uid."""

    method: str
    words: tuple[int, ...]
    serve: Callable[[Host, Request, Object, str], Awaitable[Response | None]]


async def _stream(verb: str, host: Host, request: Request, pod: Object, container: str) -> None:
    await streams.serve_stream(verb, request, host.connector, pod, container)


async def _logs(host: Host, request: Request, pod: Object, container: str) -> None:
    await _stream("containerLogs", host, request, pod, container)


async def _exec(host: Host, request: Request, pod: Object, container: str) -> None:
    _check_upgrade(request)
    await _stream("exec", host, request, pod, container)


async def _attach(host: Host, request: Request, pod: Object, container: str) -> None:
    _check_upgrade(request)
    await _stream("attach", host, request, pod, container)


async def _forward(host: Host, request: Request, pod: Object, _: str) -> None:
    _check_upgrade(request)
    protocols = [("x-stream-protocol-version", PORT_FORWARD)]
    with suppress(OSError):
        await forwarding.serve(await request.upgrade(PROTOCOL, protocols), pod, host.connector.connect)


async def _run(host: Host, request: Request, pod: Object, container: str) -> Response:
    command = parse_qs(request.query, keep_blank_values=True).get("cmd") or []
    words = command[0].split() if len(command) == 1 else command
    if not words:
        raise BadRequest("cmd is missing: name the program and its arguments, such as ?cmd=cat+/etc/hosts")
    result = await host.connector.run(pod, container, words, RUN_S)
    if result.exit_code:
        text = f"command '{' '.join(words)}' exited with {result.exit_code}: ".encode()
        return Response(500, TEXT, text + result.stderr + result.stdout)
    return Response(200, TEXT, result.stdout + result.stderr)


VERBS: Mapping[str, _Verb] = {
    "containerLogs": _Verb("GET", (4,), _logs),
    "exec": _Verb("POST", (4, 5), _exec),
    "attach": _Verb("POST", (4, 5), _attach),
    "portForward": _Verb("POST", (3, 4), _forward),
    "run": _Verb("POST", (4, 5), _run),
}


async def serve(host: Host, request: Request, words: list[str]) -> Response | None:
    """words: of the decoded path. Raises ApiError."""
    verb = VERBS[words[0]]
    if len(words) not in verb.words or not all(words):
        raise NotFound("404 page not found")
    names_container = words[0] != "portForward"
    uid = words[3] if len(words) == max(verb.words) and len(verb.words) > 1 else ""
    container = words[-1] if names_container else ""
    pod = hosts.named(host, words[1], words[2], uid)
    if pod is None:
        raise NotFound(f'pod "{words[2]}" does not exist')
    if names_container and podspec.container_named(pod, container) is None:
        raise NotFound(f'container "{container}" not found in pod "{words[2]}"')
    return await verb.serve(host, request, pod, container)


def _check_upgrade(request: Request) -> None:
    if not request.upgrades_to(PROTOCOL):
        raise BadRequest(f"this is a session over {PROTOCOL}: ask for it with `Connection: Upgrade` and `Upgrade: {PROTOCOL}`")
