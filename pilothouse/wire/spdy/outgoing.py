"""Frames on their way out, in the order in which they were encoded.

Whoever sends data waits for room. Control frames answer what the peer has sent and are not waited with, since the reader must never
wait for the writer; a peer that asks for more answers than it takes is given up.
"""

import asyncio

from pilothouse.wire.spdy.errors import StreamClosed
from pilothouse.wire.spdy.pipe import Pipe

HIGH_BYTES = 256 * 1024
LARGEST_BACKLOG = 4 * HIGH_BYTES


class Outgoing:
    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._backlog = 0
        self._wake = asyncio.Event()
        self._lower = asyncio.Event()
        self._ended = False

    @property
    def is_choked(self) -> bool:
        """The peer does not read what it asks for."""
        return self._backlog > LARGEST_BACKLOG

    def put(self, frame: bytes) -> None:
        """Dropped when the connection has ended."""
        if not self._ended:
            self._frames.append(frame)
            self._backlog += len(frame)
            self._wake.set()

    async def room(self) -> None:
        """Returns when data may be put, in this turn of the loop; raises StreamClosed when the connection has ended."""
        await self._at_most(HIGH_BYTES)
        if self._ended:
            raise StreamClosed("the connection is gone")

    async def flushed(self) -> None:
        """Returns when the pipe has taken everything."""
        await self._at_most(0)

    async def _at_most(self, size_bytes: int) -> None:
        while self._backlog > size_bytes and not self._ended:
            self._lower.clear()
            await self._lower.wait()

    async def run(self, pipe: Pipe) -> None:
        """Returns when the pipe takes no more."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            data = self._frames[0] if len(self._frames) == 1 else b"".join(self._frames)
            self._frames.clear()
            try:
                await pipe.send(data)
            except OSError:
                return
            self._backlog -= len(data)
            self._lower.set()

    def end(self) -> None:
        self._ended = True
        self._frames.clear()
        self._lower.set()
