"""The life of one client connection: bytes in, requests begun one after the other, and who waits for whom until it ends.

Each request is answered by a task that the server owns (`answering`), and that is cancelled when the connection ends before the answer has
begun; those behind it wait (`inflow`).
All times are a single `deadline` that the server's sweep compares with the clock, so a request costs no timer.
"""

import asyncio
from typing import TYPE_CHECKING, cast

from pilothouse.aio.tasks import TaskSet
from pilothouse.wire import heads
from pilothouse.wire.answering import TEXT, Answering, Upgraded
from pilothouse.wire.budget import Share
from pilothouse.wire.encode import encode
from pilothouse.wire.inflow import INBOX, LARGE, PIPELINE, UPGRADE, Inflow
from pilothouse.wire.intake import Refusal
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Handler, HandshakeRefused, Peer, Request, Response
from pilothouse.wire.outlet import LOST, Disconnected
from pilothouse.wire.overload import AHEAD, HELD
from pilothouse.wire.peer import keep_alive_probes, peer_of
from pilothouse.wire.reading import Reading
from pilothouse.wire.stream import Flusher

if TYPE_CHECKING:
    from pilothouse.wire.server import Server

NEVER = float("inf")
_PARSED_AT_ONCE = 4096
_LARGE_BYTES = 32 * 1024
_NAMED_CHARACTERS = 120
_NOBODY = Peer()
_TOO_MANY = Refusal(429, "too many requests were sent ahead of their answers")


class Connection(asyncio.Protocol):
    __slots__ = (
        "__weakref__",
        "_answering",
        "_blocked",
        "_continue_due",
        "_flusher",
        "_handler",
        "_inflow",
        "_limits",
        "_peer",
        "_reading",
        "_server",
        "_tasks",
        "_transport",
        "_unsent",
        "_upgraded",
        "_writable",
        "bodies",
        "deadline",
        "is_ending",
        "is_gone",
        "is_half_closed",
        "loop",
    )

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._handler: Handler = server.handler
        self._limits: Limits = server.limits
        self._tasks: TaskSet = server.tasks
        self._flusher: Flusher = server.flusher
        self.loop: asyncio.AbstractEventLoop = server.loop
        self.deadline = NEVER
        self.bodies = Share(server.bodies)
        self.is_gone = False
        self.is_half_closed = False
        self.is_ending = False
        self._transport: asyncio.Transport = LOST
        self._peer = _NOBODY
        self._reading = Reading(
            self._limits, self._deliver, self._expect_continue, self._refuse, body_limit=self._body_limit, budget=self.bodies
        )
        self._inflow = Inflow(self._limits, self.bodies)
        self._answering: Answering | None = None
        self._upgraded: Upgraded | None = None
        self._unsent = 0
        self._blocked = False
        self._continue_due = False
        self._writable: asyncio.Event | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._server.admit(self):
            self._transport.abort()
            return
        self._inflow.open(self._transport)
        keep_alive_probes(transport)
        self._peer = peer_of(transport)
        certificate = self._peer.certificate
        self.bodies.holder = self._peer.host if certificate is None else f"user {certificate.common_name}"
        self.deadline = self.loop.time() + self._limits.head_s
        self._server.rests(self, self._peer.host)

    def data_received(self, data: bytes) -> None:
        if self._upgraded is not None:
            self._upgraded.data_received(data)
        elif self._inflow.unparsed:
            self._keep(data)
        else:
            if len(data) >= _LARGE_BYTES and not self._reading.deaf:
                self._inflow.pause(LARGE)
                self._server.reads_later(self)
            self._take_in(data)

    def eof_received(self) -> bool:
        self.is_half_closed = True
        if self._upgraded is not None:
            self._upgraded.eof_received()
        elif self._has_nothing_to_answer():
            return False
        elif self._answering is None or not self._answering.end_stream():
            self._expect_hang_up()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.is_gone = True
        self._server.forget(self)
        self._server.works(self, self._peer.host)
        self._reading.let_go()
        self._inflow.lose()
        self.resume_writing()
        if self._answering is not None:
            self._answering.abandon()
            self._answering = None
        if self._upgraded is not None:
            self._upgraded.connection_lost()
        # What TLS holds goes at once and not with the next full collection: thirty kilobytes a connection.
        self._transport = LOST

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
        if self._blocked or self._writable is not None or (self.is_half_closed and self._answering is not None):
            self.abort()
        elif self._reading.intake.begun and not self._reading.deaf:
            self._refuse(Refusal(408, "the request took too long to arrive"))
        elif self._reading.deaf or self._unsent:
            self.abort()
        else:
            self._transport.close()

    def read_more(self) -> None:
        """It is this connection's turn to bring another large piece."""
        self._inflow.resume(LARGE)

    def begin_close(self) -> None:
        """Finish what is being answered, take nothing new."""
        self.is_ending = True
        if self._upgraded is not None:
            self._upgraded.server_closing()
        elif self._has_nothing_to_answer():
            self._transport.close()
        elif self._answering is not None:
            self._answering.end_stream()

    # Outlet: what streams and upgraded connections call.

    @property
    def buffered(self) -> int:
        # A transport that has not asked to pause holds little, and asking it how much takes longer than all else about a watcher's event.
        return 0 if self.is_gone or self._writable is None else self._transport.get_write_buffer_size()

    def send(self, data: bytes) -> None:
        if not self.is_gone:
            self._transport.write(data)

    async def drained(self) -> None:
        if self._writable is not None:
            await self._writable.wait()
        if self.is_gone:
            raise Disconnected("the peer is gone")

    def pause(self) -> None:
        self._inflow.pause(INBOX)

    def resume(self) -> None:
        self._inflow.resume(INBOX)

    def shut(self) -> None:
        self._transport.close()
        self.deadline = self.loop.time() + self._limits.idle_s
        self._reading.deaf = True

    def abort(self) -> None:
        self._transport.abort()

    # Line: what the answer to a request calls besides.

    def expect_reading(self, *, expected: bool) -> None:
        self.deadline = self.loop.time() + self._limits.idle_s if expected else NEVER

    def finished(self, keep: bool) -> None:
        """Go on with the next request, or end."""
        self._answering = None
        if self.is_gone:
            return
        if not keep:
            self._end()
        elif self._writable is not None:
            # Whoever does not read its answers gets no further ones: they would only pile up here.
            self._blocked = True
            self.deadline = self.loop.time() + self._limits.idle_s
        else:
            self._go_on()

    def become(self, upgraded: Upgraded, head: bytes) -> None:
        if not self._reading.holding:
            raise HandshakeRefused("the request does not ask for an upgrade of its connection")
        self.send(head)
        self._upgraded = upgraded
        held = self._reading.release()
        self._inflow.resume(UPGRADE)
        if held:
            upgraded.data_received(held)

    # Reading

    def _take_in(self, data: bytes) -> None:
        """Parse no more than what may wait: the rest of what one read brings is kept as bytes, which are small beside requests."""
        inflow, intake, at = self._inflow, self._reading.intake, 0
        while at < len(data) and not inflow.pauses & PIPELINE:
            end = len(data) if intake.begun and intake.in_body else at + _PARSED_AT_ONCE
            self._feed(data[at:end] if at or end < len(data) else data)
            at = end
        if at < len(data):
            self._keep(data[at:])

    def _keep(self, unparsed: bytes) -> None:
        if not self._inflow.keep(unparsed):
            self._refuse(_TOO_MANY)

    def _feed(self, data: bytes) -> None:
        if self._reading.feed(data):
            self._expect_progress()
        if self._reading.holding:
            self._inflow.pause(UPGRADE)

    def _expect_hang_up(self) -> None:
        """A peer that sends no more may have ended its side alone, and read on, or be gone: who can wait gets an answer that comes soon."""
        self.deadline = self.loop.time() + self._limits.linger_s

    def _expect_progress(self) -> None:
        """A request has begun to arrive: its head, then its body, have to be complete in time."""
        in_body = self._reading.intake.in_body
        self._server.works(self, self._peer.host)
        self.deadline = self.loop.time() + (self._limits.body_s if in_body else self._limits.head_s)

    def _expect_continue(self) -> None:
        if self._is_free():
            self.send(heads.CONTINUE)
        else:
            self._continue_due = True

    def _body_limit(self, request: Request) -> int:
        request.peer = self._peer
        return self._server.body_limit(request)

    def _deliver(self, request: Request) -> None:
        self._continue_due = False
        if self._reading.deaf:
            self.bodies.give(len(request.body))
            return
        request.peer = self._peer
        if not request.keep_alive:
            self._reading.deaf = True
        if self._is_free():
            self._begin(request)
        elif not self._inflow.put(request):
            self._refuse(_TOO_MANY)

    def _refuse(self, refusal: Refusal) -> None:
        if self._reading.deaf:
            return
        self._reading.deaf = True
        if refusal.status == 429:
            self._server.overload.note(AHEAD, self._peer.host, self._limits.pipelined)
        elif refusal.status == 503:
            self._server.overload.note(HELD, self.bodies.holder, self._limits.held_bytes)
        self._inflow.queue.append(refusal)
        if self._answering is None and not self._blocked:
            self._next()

    def _is_free(self) -> bool:
        """Whether a request that arrives is answered at once."""
        return self._answering is None and not self._blocked and not self._inflow.queue

    def _has_nothing_to_answer(self) -> bool:
        return self._answering is None and not self._inflow.queue

    # The order of answers

    def _begin(self, request: Request) -> None:
        self._answering = request.exchange = answering = Answering(self, self._flusher)
        self._server.works(self, self._peer.host)
        self.deadline = NEVER
        if self.is_half_closed:
            self._expect_hang_up()
        # The name is what the watchdog of the event loop says of a request that holds it.
        answering.task = self._tasks.start(
            answering.answer(request, self._handler), name=f"{request.method} {request.path[:_NAMED_CHARACTERS]}"
        )

    def _go_on(self) -> None:
        if self.is_gone:
            return
        if self._inflow.queue:
            self._next()
        elif self.is_half_closed:
            self._transport.close()
        else:
            self._listen()

    def _listen(self) -> None:
        """Nothing is left to answer: wait for the next request, or for the rest of the one that has begun."""
        if self._reading.intake.begun:
            self._expect_progress()
        else:
            self.deadline = self.loop.time() + self._limits.idle_s
            self._server.rests(self, self._peer.host)
        if self._continue_due:
            self._continue_due = False
            self.send(heads.CONTINUE)
        if self._reading.holding:
            held = self._reading.release()
            self._inflow.resume(UPGRADE)
            self._feed(held)

    def _next(self) -> None:
        waiting = self._inflow.take()
        if isinstance(waiting, Request):
            self._begin(waiting)
            if self._inflow.has_room:
                self._read_on()
            return
        for piece in encode(Response(waiting.status, TEXT, f"{waiting}\n".encode()), heads.CLOSE):
            self.send(piece)
        self._end()

    def _read_on(self) -> None:
        """Behind a request that is being answered, so that what follows keeps its order."""
        self._inflow.resume(PIPELINE)
        if self._inflow.unparsed:
            self._take_in(self._inflow.take_unparsed())

    def _end(self) -> None:
        """Close after what is written. Unread bytes would make the kernel reset the connection before the peer has read
        the answer, so they are swallowed for a moment."""
        self._inflow.swallow()
        if self.is_half_closed or not self._reading.intake.begun or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
        self._reading.deaf = True
        self.deadline = self.loop.time() + self._limits.linger_s
