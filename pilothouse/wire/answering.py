"""One request's answer: the handler is called, and what it gives is written, streamed, or becomes another protocol.

A failure before the first byte is answered with 500; after it, the connection is cut, since only that tells the peer.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from pilothouse.wire import heads
from pilothouse.wire.budget import Share
from pilothouse.wire.duplex import Duplex
from pilothouse.wire.encode import encode
from pilothouse.wire.handshake import switching, websocket_answer
from pilothouse.wire.limits import SLICE_BYTES
from pilothouse.wire.messages import Handler, HandshakeRefused, HeaderPairs, Request, Response
from pilothouse.wire.outlet import Disconnected, Outlet
from pilothouse.wire.stream import Flusher, Stream
from pilothouse.wire.websocket import WebSocket

TEXT = (("content-type", "text/plain; charset=utf-8"),)
_BROKEN = Response(500, TEXT, b"internal error\n")

_log = structlog.get_logger("wire")


class Upgraded(Protocol):
    """What a connection becomes after 101."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self) -> None: ...
    def server_closing(self) -> None: ...
    async def handler_returned(self) -> None: ...


class Line(Outlet, Protocol):
    """The connection, as the answer to one of its requests sees it. is_ending: the server closes, so that this answer is the last."""

    bodies: Share
    is_gone: bool
    is_ending: bool

    @property
    def is_half_closed(self) -> bool:
        """Whether the peer sends no more."""
        ...

    def expect_reading(self, *, expected: bool) -> None:
        """While expected, a peer that takes nothing of what is written is cut after the time of an idle connection."""
        ...

    def finished(self, keep: bool) -> None:
        """The answer is written. keep: another request may follow it."""
        ...

    def become(self, upgraded: Upgraded, head: bytes) -> None:
        """Send the head; all that follows is the other protocol's. Raises HandshakeRefused."""
        ...


class Answering:
    """The `Exchange` of one request, made when its turn has come. task: in which `answer` runs, set by who starts it."""

    __slots__ = ("_flusher", "_keeps", "_line", "_stream", "_upgraded", "task")

    def __init__(self, line: Line, flusher: Flusher) -> None:
        self.task: asyncio.Task[None] | None = None
        self._line = line
        self._flusher = flusher
        self._stream: Stream | None = None
        self._keeps = False
        self._upgraded: Upgraded | None = None

    def end_stream(self) -> bool:
        """Nobody wants more of a stream; whether there is one."""
        if self._stream is None:
            return False
        self._stream.mark_closed()
        return True

    def abandon(self) -> None:
        """The peer is gone. What streams sees the end of its stream; of other handlers nobody needs what they wait for."""
        if not self.end_stream() and self._upgraded is None and self.task is not None:
            self.task.cancel()

    async def answer(self, request: Request, handler: Handler) -> None:
        answered, size_bytes, line = False, len(request.body), self._line
        try:
            response = await self._handle(request, handler)
            if self._upgraded is not None:
                await self._upgraded.handler_returned()
            elif self._stream is not None:
                self._end(self._stream, response)
            elif response is not None and len(response.body) > SLICE_BYTES and request.method != "HEAD":
                await self._respond_slowly(request, response)
            else:
                self._respond(request, response)
            answered = True
        except Disconnected:
            pass
        finally:
            line.bodies.give(size_bytes)
            if not answered:
                line.abort()

    async def _handle(self, request: Request, handler: Handler) -> Response | None:
        """The handler's answer. An error becomes a 500 where nothing has been sent; a begun answer is cut short instead."""
        try:
            return await handler(request)
        except HandshakeRefused as refused:
            return refused.response
        except Disconnected:
            raise
        except Exception:
            _log.exception("request failed", method=request.method, path=request.path)
            if self._stream is not None or self._upgraded is not None:
                raise Disconnected("the handler failed in the middle of its answer") from None
            return _BROKEN

    def _end(self, stream: Stream, response: Response | None) -> None:
        if response is None and not stream.left:
            stream.end()
            self._line.finished(self._keeps and not self._line.is_ending)
        else:
            # The head has gone, so only a body without its end tells the peer that the answer failed.
            self._line.abort()

    def _respond(self, request: Request, response: Response | None) -> None:
        if response is None:
            _log.error("handler gave no answer", method=request.method, path=request.path)
            response = _BROKEN
        line = self._line
        keep = request.keep_alive and not line.is_ending
        if not line.is_gone:
            try:
                self._write(response, request, keep)
            except ValueError:
                _log.exception("handler gave headers that cannot be sent", method=request.method, path=request.path)
                self._write(_BROKEN, request, keep)
        line.finished(keep)

    async def _respond_slowly(self, request: Request, response: Response) -> None:
        """A long body leaves as its reader takes it, and others have their turn between its slices. Raises Disconnected."""
        line = self._line
        keep = request.keep_alive and not line.is_ending
        try:
            head, body = encode(response, _ending(request, keep))
        except ValueError:
            self._respond(request, response)
            return
        line.send(head)
        for start in range(0, len(body), SLICE_BYTES):
            line.send(body[start : start + SLICE_BYTES])
            line.expect_reading(expected=True)
            await line.drained()
            await asyncio.sleep(0)
        line.expect_reading(expected=False)
        line.finished(keep)

    def _write(self, response: Response, request: Request, keep: bool) -> None:
        for piece in encode(response, _ending(request, keep), head_only=request.method == "HEAD"):
            self._line.send(piece)

    # Exchange: what the request calls.

    def stream(self, request: Request, status: int, headers: HeaderPairs, length: int | None = None) -> Stream:
        line = self._answerable()
        chunked = length is None and request.version == "1.1" and heads.has_body(status)
        keep = request.keep_alive and request.version == "1.1" and not line.is_ending
        head = heads.block(status, tuple(headers)) + heads.date() + heads.lines(request.answer_headers) + (b"" if keep else heads.CLOSE)
        framing = heads.CHUNKED if chunked else b"" if length is None else b"content-length: %d\r\n" % length
        line.send(head + framing + b"\r\n")
        silent = request.method == "HEAD" or not heads.has_body(status)
        self._stream, self._keeps = Stream(line, self._flusher, chunked=chunked, silent=silent, length=length), keep
        if line.is_gone or line.is_half_closed or line.is_ending:
            self._stream.mark_closed()
        return self._stream

    async def websocket(self, request: Request, subprotocols: Sequence[str]) -> WebSocket:
        answer = websocket_answer(request, subprotocols)
        socket = WebSocket(self._answerable(), answer.protocol, answer.subprotocol)
        self._become(socket, answer.head)
        return socket

    async def upgrade(self, request: Request, protocol: str, headers: HeaderPairs) -> Duplex:
        duplex = Duplex(self._answerable())
        self._become(duplex, switching(request, protocol, headers))
        return duplex

    def _answerable(self) -> Line:
        if self._stream is not None or self._upgraded is not None:
            raise RuntimeError("the request has been answered already")
        if self._line.is_gone:
            raise Disconnected("the peer is gone")
        return self._line

    def _become(self, upgraded: Upgraded, head: bytes) -> None:
        self._line.become(upgraded, head)
        self._upgraded = upgraded


def _ending(request: Request, keep: bool) -> bytes:
    ending = (heads.KEEP_ALIVE if request.version == "1.0" else b"") if keep else heads.CLOSE
    return ending + heads.lines(request.answer_headers) if request.answer_headers else ending
