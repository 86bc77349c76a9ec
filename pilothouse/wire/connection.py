"""One client connection: bytes in, requests handed to the handler one after the other, answers out in the same order.

Requests that arrive while one is being answered wait in a bounded queue; each handler call is a task owned by the server.
All times are a single `deadline` that the server's sweep compares with the clock, so a request costs no timer.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

import structlog

from pilothouse.aio.tasks import TaskSet
from pilothouse.wire import heads
from pilothouse.wire.duplex import Duplex
from pilothouse.wire.encode import encode
from pilothouse.wire.handshake import switching, websocket_answer
from pilothouse.wire.intake import Refusal
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Handler, HandshakeRefused, HeaderPairs, Peer, Request, Response
from pilothouse.wire.outlet import Disconnected
from pilothouse.wire.peer import keep_alive_probes, peer_of
from pilothouse.wire.reading import Reading
from pilothouse.wire.stream import Flusher, Stream
from pilothouse.wire.websocket import WebSocket

if TYPE_CHECKING:
    from pilothouse.wire.server import Server

NEVER = float("inf")
_READ_AT_ONCE = 32
"""Times `Limits.pipelined`: what a single read may bring before reading pauses."""
_PIPELINE, _UPGRADE, _INBOX = 1, 2, 4
_TEXT = (("content-type", "text/plain; charset=utf-8"),)
_BROKEN = Response(500, _TEXT, b"internal error\n")

_log = structlog.get_logger("wire")


class Upgraded(Protocol):
    """What a connection becomes after 101."""

    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> None: ...
    def connection_lost(self) -> None: ...
    def server_closing(self) -> None: ...
    async def handler_returned(self) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, server: "Server") -> None:
        self._server = server
        self._handler: Handler = server.handler
        self._limits: Limits = server.limits
        self._tasks: TaskSet = server.tasks
        self._flusher: Flusher = server.flusher
        self.loop: asyncio.AbstractEventLoop = server.loop
        self.deadline = NEVER
        self._transport: asyncio.Transport
        self._peer: Peer
        self._reading = Reading(
            self._limits, self._deliver, self._expect_continue, self._refuse, body_limit=self._body_limit, budget=server.bodies
        )
        self._queue: deque[Request | Refusal] = deque()
        self._current: Request | None = None
        self._stream: Stream | None = None
        self._stream_keeps = False
        self._upgraded: Upgraded | None = None
        self._pauses = 0
        self._unsent = 0
        self._queued_bytes = 0
        self._blocked = False
        self._gone = False
        self._half_closed = False
        self._closing = False
        self._continue_due = False
        self._writable: asyncio.Event | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        keep_alive_probes(transport)
        self._peer = peer_of(transport)
        self.deadline = self.loop.time() + self._limits.head_s

    def data_received(self, data: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.data_received(data)
        else:
            self._feed(data)

    def eof_received(self) -> bool:
        self._half_closed = True
        if self._upgraded is not None:
            self._upgraded.eof_received()
        elif self._stream is not None:
            self._stream.mark_closed()
        elif self._current is None and not self._queue:
            return False
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._server.forget(self)
        self._reading.intake.drop()
        self._clear_queue()
        self.resume_writing()
        if self._stream is not None:
            self._stream.mark_closed()
        if self._upgraded is not None:
            self._upgraded.connection_lost()

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None
        if self._blocked:
            self._blocked = False
            self._go_on()

    # What the server calls.

    def expired(self) -> None:
        """The deadline has passed. A peer that is still taking what was written gets more time."""
        unsent, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        if self._unsent and self._unsent != unsent:
            self.deadline = self.loop.time() + self._limits.idle_s
            return
        self.deadline = NEVER
        if self._blocked:
            self.abort()
        elif self._reading.intake.begun and not self._reading.deaf:
            self._refuse(Refusal(408, "the request took too long to arrive"))
        elif self._reading.deaf or self._unsent:
            self.abort()
        else:
            self._transport.close()

    def begin_close(self) -> None:
        """Finish what is being answered, take nothing new."""
        self._closing = True
        if self._upgraded is not None:
            self._upgraded.server_closing()
        elif self._stream is not None:
            self._stream.mark_closed()
        elif self._current is None and not self._queue:
            self._transport.close()

    # Outlet: what streams and upgraded connections call.

    @property
    def buffered(self) -> int:
        return 0 if self._gone else self._transport.get_write_buffer_size()

    def send(self, data: bytes) -> None:
        if not self._gone:
            self._transport.write(data)

    async def drained(self) -> None:
        if self._writable is not None:
            await self._writable.wait()
        if self._gone:
            raise Disconnected("the peer is gone")

    def pause(self) -> None:
        self._pause(_INBOX)

    def resume(self) -> None:
        self._resume(_INBOX)

    def shut(self) -> None:
        self._transport.close()
        self.deadline = self.loop.time() + self._limits.idle_s
        self._reading.deaf = True

    def abort(self) -> None:
        self._transport.abort()

    # Reading

    def _feed(self, data: bytes) -> None:
        if self._reading.feed(data):
            self._expect_progress()
        if self._reading.holding:
            self._pause(_UPGRADE)

    def _expect_progress(self) -> None:
        """A request has begun to arrive: its head, then its body, have to be complete in time."""
        in_body = self._reading.intake.in_body
        self.deadline = self.loop.time() + (self._limits.body_s if in_body else self._limits.head_s)

    def _refuse(self, refusal: Refusal) -> None:
        if self._reading.deaf:
            return
        self._reading.deaf = True
        self._queue.append(refusal)
        if self._current is None and not self._blocked:
            self._next()

    def _expect_continue(self) -> None:
        if self._is_free():
            self.send(heads.CONTINUE)
        else:
            self._continue_due = True

    def _deliver(self, request: Request) -> None:
        self._continue_due = False
        if self._reading.deaf:
            self._server.bodies.give(len(request.body))
            return
        request.peer = self._peer
        request.exchange = self
        if not request.keep_alive:
            self._reading.deaf = True
        if self._is_free():
            self._begin(request)
            return
        self._queued_bytes += len(request.body)
        if len(self._queue) >= self._limits.pipelined * _READ_AT_ONCE:
            self._queued_bytes -= len(request.body)
            self._server.bodies.give(len(request.body))
            self._refuse(Refusal(429, "too many requests were sent ahead of their answers"))
            return
        self._queue.append(request)
        if len(self._queue) >= self._limits.pipelined or self._queued_bytes >= self._limits.body_bytes:
            self._pause(_PIPELINE)

    def _is_free(self) -> bool:
        """Whether a request that arrives is answered at once."""
        return self._current is None and not self._queue and not self._blocked

    def _body_limit(self, request: Request) -> int:
        request.peer = self._peer
        return self._server.body_limit(request)

    def _clear_queue(self) -> None:
        self._server.bodies.give(self._queued_bytes)
        self._queued_bytes = 0
        self._queue.clear()

    def _pause(self, reason: int) -> None:
        if not self._pauses and not self._transport.is_closing():
            self._transport.pause_reading()
        self._pauses |= reason

    def _resume(self, reason: int) -> None:
        if self._pauses & reason:
            self._pauses &= ~reason
            if not self._pauses and not self._transport.is_closing():
                self._transport.resume_reading()

    # Answering

    def _begin(self, request: Request) -> None:
        self._current = request
        self._server.bodies.give(len(request.body))
        self.deadline = NEVER
        self._tasks.start(self._answer(request))

    async def _answer(self, request: Request) -> None:
        answered = False
        try:
            response = await self._handle(request)
            if self._upgraded is not None:
                await self._upgraded.handler_returned()
            elif self._stream is not None and response is not None:
                # The head has gone, so only a body without its end tells the peer that the answer failed.
                self.abort()
            elif self._stream is not None:
                self._stream.end()
                self._finished(self._stream_keeps and not self._closing)
            else:
                self._respond(request, response)
            answered = True
        except Disconnected:
            pass
        finally:
            if not answered:
                self.abort()

    async def _handle(self, request: Request) -> Response | None:
        """The handler's answer. An error becomes a 500 where nothing has been sent; a begun answer is cut short instead."""
        try:
            return await self._handler(request)
        except HandshakeRefused as refused:
            return refused.response
        except Disconnected:
            raise
        except Exception:
            _log.exception("request failed", method=request.method, path=request.path)
            if self._stream is not None or self._upgraded is not None:
                raise Disconnected("the handler failed in the middle of its answer") from None
            return _BROKEN

    def _respond(self, request: Request, response: Response | None) -> None:
        if response is None:
            _log.error("handler gave no answer", method=request.method, path=request.path)
            response = _BROKEN
        keep = request.keep_alive and not self._closing
        if not self._gone:
            try:
                self._write(response, request, keep)
            except ValueError:
                _log.exception("handler gave headers that cannot be sent", method=request.method, path=request.path)
                self._write(_BROKEN, request, keep)
        self._finished(keep)

    def _write(self, response: Response, request: Request, keep: bool) -> None:
        ending = (heads.KEEP_ALIVE if request.version == "1.0" else b"") if keep else heads.CLOSE
        for piece in encode(response, ending, head_only=request.method == "HEAD"):
            self._transport.write(piece)

    def _finished(self, keep: bool) -> None:
        """The current answer is written: go on with the next request, or end."""
        self._current = self._stream = None
        if self._gone:
            return
        if not keep:
            self._end()
        elif self._writable is not None:
            # Whoever does not read its answers gets no further ones: they would only pile up here.
            self._blocked = True
            self.deadline = self.loop.time() + self._limits.idle_s
        else:
            self._go_on()

    def _go_on(self) -> None:
        if self._gone:
            return
        if self._queue:
            self._next()
        elif self._half_closed:
            self._transport.close()
        else:
            self._listen()

    def _listen(self) -> None:
        """Nothing is left to answer: wait for the next request, or for the rest of the one that has begun."""
        if self._reading.intake.begun:
            self._expect_progress()
        else:
            self.deadline = self.loop.time() + self._limits.idle_s
        if self._continue_due:
            self._continue_due = False
            self.send(heads.CONTINUE)
        if self._reading.holding:
            held = self._reading.release()
            self._resume(_UPGRADE)
            self._feed(held)

    def _next(self) -> None:
        item = self._queue.popleft()
        if isinstance(item, Request):
            self._queued_bytes -= len(item.body)
        if len(self._queue) <= self._limits.pipelined // 2 and self._queued_bytes < self._limits.body_bytes:
            self._resume(_PIPELINE)
        if isinstance(item, Request):
            self._begin(item)
            return
        for piece in encode(Response(item.status, _TEXT, f"{item}\n".encode()), heads.CLOSE):
            self.send(piece)
        self._end()

    def _end(self) -> None:
        """Close after what is written. Unread bytes would make the kernel reset the connection before the peer has read
        the answer, so they are swallowed for a moment."""
        self._clear_queue()
        self._pauses, paused = 0, self._pauses
        if paused and not self._transport.is_closing():
            self._transport.resume_reading()
        if self._half_closed or not self._reading.intake.begun:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()
        self._reading.deaf = True
        self.deadline = self.loop.time() + self._limits.linger_s

    # Exchange: what a request calls.

    def stream(self, status: int, headers: HeaderPairs) -> Stream:
        request = self._answering()
        chunked = request.version == "1.1" and heads.has_body(status)
        keep = request.keep_alive and request.version == "1.1" and not self._closing
        head = heads.block(status, tuple(headers)) + heads.date() + (b"" if keep else heads.CLOSE)
        self.send(head + (heads.CHUNKED if chunked else b"") + b"\r\n")
        silent = request.method == "HEAD" or not heads.has_body(status)
        self._stream, self._stream_keeps = Stream(self, self._flusher, chunked=chunked, silent=silent), keep
        if self._gone or self._half_closed or self._closing:
            self._stream.mark_closed()
        return self._stream

    async def websocket(self, request: Request, subprotocols: Sequence[str]) -> WebSocket:
        answer = websocket_answer(request, subprotocols)
        self._answering()
        socket = WebSocket(self, answer.protocol, answer.subprotocol)
        self._become(socket, answer.head)
        return socket

    async def upgrade(self, protocol: str, headers: HeaderPairs) -> Duplex:
        request = self._answering()
        duplex = Duplex(self)
        self._become(duplex, switching(request, protocol, headers))
        return duplex

    def _answering(self) -> Request:
        if self._current is None or self._stream is not None or self._upgraded is not None:
            raise RuntimeError("the request has been answered already")
        if self._gone:
            raise Disconnected("the peer is gone")
        return self._current

    def _become(self, upgraded: Upgraded, head: bytes) -> None:
        if not self._reading.holding:
            raise HandshakeRefused("the request does not ask for an upgrade of its connection")
        self.send(head)
        self._upgraded = upgraded
        held = self._reading.release()
        self._resume(_UPGRADE)
        if held:
            upgraded.data_received(held)
