"""The node's own server: what the API server asks of it about pods, over HTTP shaped like the kubelet's.

    POST /exec/NAMESPACE/POD/UID/CONTAINER?command=..&input=1&output=1&error=1&tty=1     upgrades to SPDY
    POST /attach/NAMESPACE/POD/UID/CONTAINER?input=1&output=1&error=1&tty=1              upgrades to SPDY
    POST /portForward/NAMESPACE/POD/UID?port=N                                           upgrades to SPDY, one stream
    POST /shutdown?seconds=N&criticalSeconds=M                                           ends every pod, {"left": ["NAMESPACE/POD", ...]}
    PUT, DELETE /volumes/NAME                                                            see local_volumes.serving
    POST /csi/DRIVER/METHOD                                                              see engine.csi.serving
    GET  /containerLogs/NAMESPACE/POD/UID/CONTAINER?follow=true&tailLines=N ...          the log as it comes

It listens on a unix socket that only root may open. Exec and attach are handed to the runtime's streaming server byte by byte. Failures
are Status objects, as the API server's own.
Source: kubernetes pkg/kubelet/server.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote

from pilothouse.aio.tasks import Scope, first_of, scope
from pilothouse.engine.node.streams.connector import Connector
from pilothouse.engine.streaming.joining import join
from pilothouse.engine.streaming.sessions import PortStream
from pilothouse.engine.streaming.upgrade import STREAMS
from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError, BadRequest, NotFound, Unavailable
from pilothouse.model.json import Object, dumps
from pilothouse.wire import serve
from pilothouse.wire.messages import Request, Response
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.server import Server
from pilothouse.wire.spdy import PROTOCOL, Connection, Pipe, Stream
from pilothouse.wire.stream import Stream as Answer

JSON = (("content-type", "application/json"),)
TEXT = (("content-type", "text/plain"),)
REFUSAL_S = 0.2
Served = Callable[[Request, Sequence[str]], Awaitable[Response]]
"""Answers what comes under a word of its own, given the words of the decoded path."""


class Pods(Protocol):
    """The node agent of the moment, as far as the server needs it."""

    @property
    def connector(self) -> Connector: ...

    def pod(self, uid: str) -> Object | None:
        """The object of a pod that the node still has something of."""
        ...

    async def shut_down(self, total_s: int, critical_s: int) -> list[str]:
        """Ends every pod within that time; returns those that had not ended by then."""
        ...


@dataclass(frozen=True, slots=True)
class LogOptions:
    """As the API server's own; it matches them by shape."""

    follow: bool
    previous: bool
    timestamps: bool
    since_s: int | None
    since: str
    tail: int | None
    limit_bytes: int | None
    stream: str


class NodeServer:
    """pods: None while no agent runs; then every request about pods is answered with 503.

    served: by the first word of the path, who answers what is asked about other things of the node.
    """

    def __init__(self, served: Mapping[str, Served] | None = None) -> None:
        self.pods: Pods | None = None
        self._served = served or {}

    async def listen(self, path: Path) -> Server:
        """Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return await serve(self.handle, path=path)

    async def handle(self, request: Request) -> Response | None:
        try:
            return await self._answer(request)
        except ApiError as error:
            return Response(error.code, JSON, dumps(error.to_status()))

    async def _answer(self, request: Request) -> Response | None:
        verb, *words = [unquote(word) for word in request.path.split("/")[1:]]
        if verb == "healthz":
            return Response(200, TEXT, b"ok")
        if verb == "shutdown" and request.method == "POST":
            return await self._shut_down(parse_qs(request.query))
        if verb in self._served:
            return await self._served[verb](request, [verb, *words])
        if verb not in VERBS or len(words) != (3 if verb == "portForward" else 4):
            raise NotFound(f"the node serves no {request.path}")
        if self.pods is None:
            raise Unavailable("the node's agent is not running")
        pod = self.pods.pod(words[2])
        if pod is None:
            raise NotFound(f'pod "{words[1]}" is not on this node')
        await serve_stream(verb, request, self.pods.connector, pod, words[-1])
        return None

    async def _shut_down(self, query: dict[str, list[str]]) -> Response:
        total_s, critical_s = (natural((query.get(name) or [""])[0]) for name in ("seconds", "criticalSeconds"))
        if total_s is None or critical_s is None:
            raise BadRequest("seconds and criticalSeconds are numbers")
        if self.pods is None:
            raise Unavailable("the node's agent is not running")
        return Response(200, JSON, dumps({"left": await self.pods.shut_down(total_s, critical_s)}))


async def serve_stream(verb: str, request: Request, connector: Connector, pod: Object, container: str) -> None:
    """verb: one of `VERBS`. Raises ApiError before anything is answered."""
    query = parse_qs(request.query, keep_blank_values=True)
    await VERBS[verb](_Asked(request, query, connector, pod, container))


@dataclass(frozen=True, slots=True)
class _Asked:
    """container: the last word of the path."""

    request: Request
    query: dict[str, list[str]]
    connector: Connector
    pod: Object
    container: str

    def text(self, name: str) -> str:
        return (self.query.get(name) or [""])[0]

    def truth(self, name: str) -> bool:
        return self.text(name) in ("1", "true")

    def number(self, name: str) -> int | None:
        """Raises BadRequest."""
        text = self.text(name)
        if not text:
            return None
        number = natural(text)
        if number is None:
            raise BadRequest(f"{name}={text!r} is no number")
        return number

    @property
    def streams(self) -> dict[str, bool]:
        names = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
        return {stream: self.truth(name) for stream, name in names.items()}


async def _exec(asked: _Asked) -> None:
    inside = await asked.connector.exec_pipe(asked.pod, asked.container, asked.query.get("command") or [], **asked.streams)
    await _join(asked.request, inside)


async def _attach(asked: _Asked) -> None:
    await _join(asked.request, await asked.connector.attach_pipe(asked.pod, asked.container, **asked.streams))


async def _join(request: Request, inside: Pipe) -> None:
    try:
        await join(await request.upgrade(PROTOCOL, [("x-stream-protocol-version", STREAMS)]), inside)
    finally:
        await inside.close()


async def _forward(asked: _Asked) -> None:
    """One connection into the pod as one stream, so that either side may end its half."""
    port = asked.number("port")
    if port is None or not 0 < port < 65536:
        raise BadRequest("port must be a number from 1 to 65535")
    inside = await asked.connector.connect(asked.pod, port)
    try:
        outside = await asked.request.upgrade(PROTOCOL, [("x-stream-protocol-version", STREAMS)])
        async with scope() as tasks:
            connection = Connection(outside, is_client=False, on_stream=lambda stream: _carry(tasks, stream, inside))
            await connection.run()
            tasks.cancel()
    finally:
        await inside.close()


def _carry(tasks: Scope, stream: Stream, inside: PortStream) -> None:
    tasks.spawn(_to_pod(stream, inside))
    tasks.spawn(_from_pod(inside, stream))


async def _to_pod(stream: Stream, inside: PortStream) -> None:
    try:
        while (data := await stream.receive()) is not None:
            await inside.send(data)
        if not stream.is_reset:
            await inside.end_of_input()
    except OSError:
        stream.reset()


async def _from_pod(inside: PortStream, stream: Stream) -> None:
    try:
        while (data := await inside.receive()) is not None:
            await stream.send(data)
        stream.end()
    except OSError:
        stream.reset()


async def _logs(asked: _Asked) -> None:
    options = LogOptions(
        follow=asked.truth("follow"),
        previous=asked.truth("previous"),
        timestamps=asked.truth("timestamps"),
        since_s=asked.number("sinceSeconds"),
        since=asked.text("sinceTime"),
        tail=asked.number("tailLines"),
        limit_bytes=asked.number("limitBytes"),
        stream=asked.text("stream") or "All",
    )
    pieces: Any = asked.connector.logs(asked.pod, asked.container, options)
    refusal: ApiError | None = None
    async with aclosing(pieces), scope() as tasks:
        first = tasks.spawn(_first(pieces))
        # What is wrong with the request shows at once; a container that says nothing yet must not delay the answer's head.
        await asyncio.wait((first,), timeout=REFUSAL_S)
        if first.done() and isinstance(said := first.result(), ApiError):
            refusal = said
        else:
            answer = asked.request.stream(200, TEXT)
            await first_of(_send(answer, first, pieces), answer.closed())
            await answer.finish()
        tasks.cancel()
    if refusal is not None:
        raise refusal


async def _first(pieces: AsyncIterator[bytes]) -> bytes | ApiError | None:
    try:
        return await anext(pieces, None)
    except ApiError as refusal:
        return refusal


async def _send(answer: Answer, first: "asyncio.Task[bytes | ApiError | None]", pieces: AsyncIterator[bytes]) -> None:
    """Raises Disconnected when the reader goes. What fails in the middle cuts the answer short."""
    piece = await first
    while piece is not None:
        if isinstance(piece, ApiError):
            raise Disconnected(piece.message)
        answer.write(piece)
        await answer.drain()
        piece = await anext(pieces, None)


VERBS: Mapping[str, Callable[[_Asked], Awaitable[None]]] = {
    "exec": _exec,
    "attach": _attach,
    "portForward": _forward,
    "containerLogs": _logs,
}
"""By the first word of the path."""
