"""What has arrived on a connection and waits behind the request that is being answered: bounded by not reading any further.

Reading pauses for several reasons at a time, and goes on when the last of them has gone.
"""

import asyncio

from pilothouse.wire.budget import Share
from pilothouse.wire.intake import Refusal
from pilothouse.wire.limits import Limits
from pilothouse.wire.messages import Request
from pilothouse.wire.outlet import LOST

PIPELINE, UPGRADE, INBOX, LARGE = 1, 2, 4, 8
"""Why reading pauses: requests wait; a request to upgrade is not answered; the upgraded side is full; a large piece has come."""
_READ_AT_ONCE = 32
"""Times `Limits.pipelined`: what a single read may bring before reading pauses."""


_REQUEST_BYTES = 1024


class Inflow:
    """queue: in the order of arrival; a refusal is the last of them. unparsed: bytes behind them, which are small beside requests.

    pauses: the reasons there are for not reading, as bits. held: pays for all that waits, with the bodies that it is given.
    """

    __slots__ = ("_held", "_limits", "_queued_bytes", "_transport", "pauses", "queue", "unparsed")

    def __init__(self, limits: Limits, held: Share) -> None:
        self._limits = limits
        self._held = held
        self._transport: asyncio.Transport = LOST
        self.pauses = 0
        self._queued_bytes = 0
        self.queue: list[Request | Refusal] = []
        self.unparsed = b""

    def open(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def pause(self, reason: int) -> None:
        if not self.pauses and not self._transport.is_closing():
            self._transport.pause_reading()
        self.pauses |= reason

    def resume(self, reason: int) -> None:
        if self.pauses & reason:
            self.pauses &= ~reason
            if not self.pauses and not self._transport.is_closing():
                self._transport.resume_reading()

    def put(self, request: Request) -> bool:
        """Let it wait, with its body; False when so many do, here or on all connections, that it is dropped."""
        is_full = len(self.queue) >= self._limits.pipelined * _READ_AT_ONCE
        if is_full or not self._held.take(_size_bytes(request), is_small=True):
            self._held.give(len(request.body))
            return False
        self.queue.append(request)
        self._queued_bytes += len(request.body)
        if len(self.queue) >= self._limits.pipelined or self._queued_bytes >= self._limits.body_bytes:
            self.pause(PIPELINE)
        return True

    def take(self) -> Request | Refusal:
        """The first of those that wait, which must be there. A request's body is the taker's to give back."""
        first = self.queue.pop(0)
        if isinstance(first, Request):
            self._held.give(_size_bytes(first))
            self._queued_bytes -= len(first.body)
        return first

    @property
    def has_room(self) -> bool:
        """Whether so few wait that reading may go on."""
        return len(self.queue) <= self._limits.pipelined // 2 and self._queued_bytes < self._limits.body_bytes

    def keep(self, unparsed: bytes) -> bool:
        """Let bytes wait behind the requests; False when so many do on all connections that they are dropped."""
        if not self._held.take(len(unparsed), is_small=True):
            return False
        self.unparsed += unparsed
        return True

    def take_unparsed(self) -> bytes:
        unparsed, self.unparsed = self.unparsed, b""
        self._held.give(len(unparsed))
        return unparsed

    def swallow(self) -> None:
        """Drop what waits, and read on whatever has been the reason not to."""
        self._clear()
        self.resume(self.pauses)

    def lose(self) -> None:
        """The connection is lost."""
        self._clear()
        self._transport = LOST

    def _clear(self) -> None:
        self._held.give(self._queued_bytes + sum(_size_bytes(each) for each in self.queue if isinstance(each, Request)))
        self._queued_bytes = 0
        self.take_unparsed()
        self.queue.clear()


def _size_bytes(request: Request) -> int:
    """Of what a request takes up beside its body, about."""
    return _REQUEST_BYTES + len(request.target) + sum(len(value) for _, value in request.headers.pairs)
