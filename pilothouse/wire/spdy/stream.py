"""One SPDY stream: bytes in order both ways, each way ended by itself.

A peer that keeps to the window never makes us hold more than `WINDOW_BYTES`. One that knows no windows (the Go library that Kubernetes'
clients and container runtimes are built with is such a peer) is held back by reading nothing more of the whole connection.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from pilothouse.wire.spdy.errors import CANCEL, STREAM_ALREADY_CLOSED, StreamClosed
from pilothouse.wire.spdy.frames import Data, Frame, RstStream, WindowUpdate

WINDOW_BYTES = 64 * 1024
LARGEST_PIECE = 32 * 1024


class Sender(Protocol):
    """The connection, as its streams see it."""

    def post(self, frame: Frame) -> None: ...
    def forget(self, id: int) -> None: ...
    async def allowance(self, stream: "Stream", wanted: int) -> int:
        """How much of it may be sent in this turn of the loop; raises StreamClosed."""
        ...


class Stream:
    """receive() is for one task at a time, and so is send(). headers: those that opened the stream, names in lower case."""

    def __init__(self, connection: Sender, id: int, headers: Mapping[str, str], window: int) -> None:
        self.id = id
        self.headers = headers
        self.window = window
        """How much the peer is ready to take; below zero when it has been sent more."""
        self.is_reset = False
        self._connection = connection
        self._pieces: deque[bytes] = deque()
        self._unread = 0
        self._consumed = 0
        self._discards = False
        self._received_all = False
        self._sent_all = False
        self._replied = False
        self._changed = asyncio.Event()

    async def receive(self) -> bytes | None:
        """The next bytes, or None when there will be no more; `is_reset` tells whether the peer meant to end there."""
        while not self._pieces:
            if self._received_all or self.is_reset:
                return None
            await self._change()
        piece = self._pieces.popleft()
        self._unread -= len(piece)
        self._consume(len(piece))
        self._changed.set()
        return piece

    async def send(self, data: bytes) -> None:
        """Raises StreamClosed."""
        at = 0
        while at < len(data):
            size = await self._connection.allowance(self, min(len(data) - at, LARGEST_PIECE))
            self.window -= size
            self._connection.post(Data(self.id, data[at : at + size]))
            at += size

    async def replied(self) -> None:
        """Returns when the peer has accepted the stream; raises StreamClosed when it has not."""
        while not self._replied:
            self.check_open()
            await self._change()

    def end(self) -> None:
        """No more will be sent. Harmless when that is so already."""
        if not self._sent_all and not self.is_reset:
            self._connection.post(Data(self.id, b"", fin=True))
            self.sent_all()

    def reset(self, status: int = CANCEL) -> None:
        """Neither way goes on."""
        if not self.is_reset and not (self._sent_all and self._received_all):
            self._connection.post(RstStream(self.id, status))
            self.broken_off()

    def discard(self) -> None:
        """Nobody reads what comes: drop it."""
        self._discards = True
        self._consume(self._unread)
        self._pieces.clear()
        self._unread = 0
        self._changed.set()

    def check_open(self) -> None:
        """Raises StreamClosed when nothing can be sent."""
        if self.is_reset or self._sent_all:
            raise StreamClosed(f"stream {self.id} is closed")

    # What the connection calls.

    def take(self, data: bytes) -> None:
        if self._received_all:
            self.reset(STREAM_ALREADY_CLOSED)
        elif self._discards:
            self._consume(len(data))
        elif data and not self.is_reset:
            self._pieces.append(data)
            self._unread += len(data)
            self._changed.set()

    async def low(self) -> None:
        """Returns when no more than a window is unread."""
        while self._unread > WINDOW_BYTES and not self.is_reset:
            await self._change()

    def accepted(self) -> None:
        self._replied = True
        self._changed.set()

    def received_all(self) -> None:
        self._received_all = True
        self._changed.set()
        self._forget_if_done()

    def sent_all(self) -> None:
        self._sent_all = True
        self._forget_if_done()

    def broken_off(self) -> None:
        """By the peer or with its connection: what waits to be read stays readable."""
        self.is_reset = True
        self._changed.set()
        self._connection.forget(self.id)

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _consume(self, size: int) -> None:
        """Let the peer send as much again, some pieces at a time."""
        self._consumed += size
        if self._consumed >= WINDOW_BYTES // 2 and not self._received_all and not self.is_reset:
            self._connection.post(WindowUpdate(self.id, self._consumed))
            self._consumed = 0

    def _forget_if_done(self) -> None:
        if self._sent_all and self._received_all:
            self._connection.forget(self.id)
