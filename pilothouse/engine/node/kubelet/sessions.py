"""Requests about one container of a pod: its log, programs in it, ports of its pod."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qs

from pilothouse.engine.node.kubelet import host as hosts
from pilothouse.engine.node.kubelet.host import Host
from pilothouse.engine.node.kubelet.pages import TEXT
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.streams import server as streams
from pilothouse.engine.streaming import channels, forwarding, port_channels
from pilothouse.model.errors import BadRequest, NotFound
from pilothouse.model.json import Object
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.spdy import PROTOCOL

RUN_S = 120
WEBSOCKET = "websocket"
EITHER = ("POST", "GET")
"""How sessions begin: a WebSocket has to with a GET."""


@dataclass(frozen=True, slots=True)
class _Verb:
    """words: of the path, with and without the pod's uid."""

    methods: tuple[str, ...]
    words: tuple[int, ...]
    serve: Callable[[Host, Request, Object, str], Awaitable[Response | None]]


def is_session(words: Sequence[str]) -> bool:
    """words: of the decoded path. Whether a request for it starts something, whatever its method: `create` is what that needs."""
    verb = VERBS.get(words[0])
    return verb is not None and "POST" in verb.methods


async def _stream(verb: str, host: Host, request: Request, pod: Object, container: str) -> None:
    await streams.serve_stream(verb, request, host.connector, pod, container)


async def _logs(host: Host, request: Request, pod: Object, container: str) -> None:
    await _stream("containerLogs", host, request, pod, container)


async def _exec(host: Host, request: Request, pod: Object, container: str) -> None:
    query = parse_qs(request.query, keep_blank_values=True)
    command, wanted = query.get("command") or [], _streams(query)
    if not command:
        raise BadRequest("command is missing: name the program and each argument, such as ?command=cat&command=/etc/hosts")
    if _wants_websocket(request):
        socket = await request.websocket(channels.PROTOCOLS)
        await channels.run(socket, host.connector.exec(pod, container, command, **wanted))
    else:
        await _stream("exec", host, request, pod, container)


async def _attach(host: Host, request: Request, pod: Object, container: str) -> None:
    wanted = _streams(parse_qs(request.query))
    if _wants_websocket(request):
        socket = await request.websocket(channels.PROTOCOLS)
        await channels.run(socket, host.connector.attach(pod, container, **wanted))
    else:
        await _stream("attach", host, request, pod, container)


def _streams(query: Mapping[str, list[str]]) -> dict[str, bool]:
    """Raises BadRequest when none is asked for."""
    names = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
    wanted = {stream: (query.get(name) or [""])[0] in ("1", "true") for stream, name in names.items()}
    if not (wanted["stdin"] or wanted["stdout"] or wanted["stderr"]):
        raise BadRequest("you must specify at least 1 of stdin, stdout, stderr")
    return wanted | {"stderr": wanted["stderr"] and not wanted["tty"]}


async def _forward(host: Host, request: Request, pod: Object, _: str) -> None:
    over_websocket = _wants_websocket(request)
    connect = host.connector.connect
    with suppress(OSError):
        if over_websocket:
            query = parse_qs(request.query)
            stated = [port for name in ("port", "ports") for text in query.get(name) or () for port in text.split(",")]
            offered = request.headers.tokens("sec-websocket-protocol")
            is_needed = port_channels.PROTOCOL in offered and forwarding.TUNNEL not in offered
            ports = port_channels.named("port", stated, is_needed=is_needed)
            socket = await request.websocket((forwarding.TUNNEL, port_channels.PROTOCOL))
            if socket.subprotocol == forwarding.TUNNEL:
                await forwarding.serve(socket, pod, connect)
            else:
                await port_channels.serve(socket, pod, ports, connect)
        else:
            protocols = [("x-stream-protocol-version", forwarding.PROTOCOL)]
            await forwarding.serve(await request.upgrade(PROTOCOL, protocols), pod, connect)


async def _checkpoint(host: Host, request: Request, pod: Object, container: str) -> Response:
    """Upstream's kubelet asks the runtime for one, and containerd has it from 2.0 on, with CRIU."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}/{container}"
    text = f"checkpointing of {name} failed: this node takes no checkpoints of containers; stop the program and keep its data in a volume\n"
    return Response(501, TEXT, text.encode())


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
    "containerLogs": _Verb(("GET",), (4,), _logs),
    "exec": _Verb(EITHER, (4, 5), _exec),
    "attach": _Verb(EITHER, (4, 5), _attach),
    "portForward": _Verb(EITHER, (3, 4), _forward),
    "run": _Verb(("POST",), (4, 5), _run),
    "checkpoint": _Verb(("POST",), (4,), _checkpoint),
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


def _wants_websocket(request: Request) -> bool:
    """Rather than SPDY. Raises BadRequest for a request that wants neither."""
    if request.upgrades_to(WEBSOCKET):
        return True
    if not request.upgrades_to(PROTOCOL):
        text = f"this is a session over {PROTOCOL} or a WebSocket: ask for it with `Connection: Upgrade` and `Upgrade: {PROTOCOL}`"
        raise BadRequest(text)
    return False
