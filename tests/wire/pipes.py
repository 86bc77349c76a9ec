"""Two ends of a pipe in memory, and a SPDY peer that does only what a test tells it to."""

import asyncio

from pilothouse.wire.spdy.frames import Data, Frame, FrameReader, FrameWriter

BOUND = 8
WAIT_S = 5.0


class End:
    """One end. It holds a few pieces that the other end has not taken, then `send` waits."""

    def __init__(self, inbox: "asyncio.Queue[bytes | None]", outbox: "asyncio.Queue[bytes | None]") -> None:
        self._inbox = inbox
        self._outbox = outbox
        self.sent_bytes = 0
        self.is_broken = False

    async def receive(self) -> bytes | None:
        return await self._inbox.get()

    async def send(self, data: bytes) -> None:
        if self.is_broken:
            raise ConnectionResetError("the other end is gone")
        self.sent_bytes += len(data)
        await self._outbox.put(data)

    async def close(self) -> None:
        await self._outbox.put(None)


def pipe() -> tuple[End, End]:
    one: asyncio.Queue[bytes | None] = asyncio.Queue(BOUND)
    other: asyncio.Queue[bytes | None] = asyncio.Queue(BOUND)
    return End(one, other), End(other, one)


class Peer:
    """Says frames and waits for frames."""

    def __init__(self, end: End) -> None:
        self.end = end
        self.writer = FrameWriter()
        self._reader = FrameReader()
        self._heard: list[Frame] = []

    async def say(self, *frames: Frame) -> None:
        await self.end.send(b"".join(map(self.writer.encode, frames)))

    async def hear(self) -> Frame | None:
        """The next frame, None when the other end has closed."""
        async with asyncio.timeout(WAIT_S):
            while not self._heard:
                piece = await self.end.receive()
                if piece is None:
                    return None
                self._heard.extend(self._reader.feed(piece))
        return self._heard.pop(0)

    async def data(self, id: int, size: int) -> bytes:
        """So many bytes of a stream; other frames are passed over."""
        said = b""
        while len(said) < size:
            frame = await self.hear()
            assert frame is not None, f"ended after {len(said)} bytes"
            if isinstance(frame, Data) and frame.id == id:
                said += frame.data
        return said
