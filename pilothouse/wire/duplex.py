"""The raw bytes of a connection after `101 Switching Protocols`, in both directions, with bounds in both.

Reading pauses while more than `HIGH_BYTES` lie unread, so a slow consumer slows the peer instead of filling memory.
"""

import asyncio
from collections import deque

from pilothouse.wire.outlet import Disconnected, Outlet

HIGH_BYTES = 256 * 1024


class Inbox:
    """Pieces received and not yet taken; pauses the connection when full."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._paused = False
        self._discards = False
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False

    def put(self, piece: bytes) -> None:
        if self._discards:
            return
        self._pieces.append(piece)
        self._bytes += len(piece)
        if self._bytes > HIGH_BYTES and not self._paused:
            self._paused = True
            self._outlet.pause()
        self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def discard(self) -> None:
        """Drop what is unread and whatever comes, so that the peer gets rid of what it is sending and reads again."""
        self._discards = True
        self._pieces.clear()
        self._bytes = 0
        if self._paused:
            self._paused = False
            self._outlet.resume()
        self.end()

    async def take(self) -> bytes | None:
        """The next piece, or None after the last one. One reader at a time."""
        while not self._pieces:
            if self.ended:
                return None
            self._waiter = self._outlet.loop.create_future()
            await self._waiter
        piece = self._pieces.popleft()
        self._bytes -= len(piece)
        if self._paused and self._bytes <= HIGH_BYTES // 2:
            self._paused = False
            self._outlet.resume()
        return piece

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Duplex:
    """receive() gives bytes as they come and None at the end; write() queues, `await drain()` waits for a slow peer."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._inbox = Inbox(outlet)
        self._lost = False

    @property
    def buffered(self) -> int:
        return self._outlet.buffered

    async def receive(self) -> bytes | None:
        return await self._inbox.take()

    def write(self, data: bytes) -> None:
        if not self._lost:
            self._outlet.send(data)

    async def send(self, data: bytes) -> None:
        """Write and wait while the peer is behind; raises Disconnected."""
        self.write(data)
        await self.drain()

    async def drain(self) -> None:
        if self._lost:
            raise Disconnected("the peer of the upgraded connection is gone")
        await self._outlet.drained()

    async def close(self) -> None:
        self._outlet.shut()

    # What the connection calls.

    def data_received(self, data: bytes) -> None:
        self._inbox.put(data)

    def eof_received(self) -> None:
        self._inbox.end()

    def connection_lost(self) -> None:
        self._lost = True
        self._inbox.end()

    def server_closing(self) -> None:
        """The peer keeps its connection until the server's deadline."""

    async def handler_returned(self) -> None:
        self._outlet.shut()
