"""A SPDY/3.1 connection, either end of it: many streams over one pipe.

One task reads and one writes, and neither waits for the other: answers to the peer are put in line, and data is put there only when
there is room. Windows are kept from the first byte, but they hold us back only once the peer has shown that it keeps them too: one that
does not would never open them.

`quiet` is for a peer that knows no windows and that closes as soon as it has said everything (the streaming servers of container
runtimes): a byte of ours that it has not read by then makes its kernel drop what it has sent and we have not received. So a quiet
end sends neither window updates nor pings, only what it was asked to.
Source: SPDY Protocol draft 3.1; RFC 1122, 4.2.2.13 (a close with unread data resets the connection).
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

from pilothouse.aio.tasks import first_of
from pilothouse.wire.spdy.errors import (
    FLOW_CONTROL_ERROR,
    GOAWAY_OK,
    GOAWAY_PROTOCOL_ERROR,
    INVALID_STREAM,
    REFUSED_STREAM,
    SpdyError,
)
from pilothouse.wire.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    Data,
    Frame,
    FrameReader,
    FrameWriter,
    GoAway,
    Headers,
    Ping,
    RstStream,
    Settings,
    SynReply,
    SynStream,
    WindowUpdate,
)
from pilothouse.wire.spdy.outgoing import Outgoing
from pilothouse.wire.spdy.pipe import Pipe
from pilothouse.wire.spdy.stream import WINDOW_BYTES, Stream

MAX_STREAMS = 1024
"""Of the peer's, at the same time."""
LARGEST_WINDOW = 0x7FFFFFFF
PING_S = 5.0
"""A peer that is gone is noticed by sending, even while nothing is read from it."""
LINGER_S = 5.0
GOODBYE_S = 1.0


def refuse(stream: Stream) -> None:
    """For an end that only opens streams."""
    stream.reset(REFUSED_STREAM)


class Connection:
    """`run` has to run for anything to move. on_stream gets each stream that the peer opens, already accepted."""

    def __init__(self, pipe: Pipe, *, is_client: bool, on_stream: Callable[[Stream], None] = refuse, quiet: bool = False) -> None:
        self._quiet = quiet
        self._pipe = pipe
        self._on_stream = on_stream
        self._next_id = 1 if is_client else 2
        self._ping_id = self._next_id
        self._last_id = 0
        self._theirs = 0
        self._streams: dict[int, Stream] = {}
        self._reader, self._writer = FrameReader(), FrameWriter()
        self._outgoing = Outgoing()
        self._ended = asyncio.Event()
        self._closing = False
        self._keeps_windows = False
        self._keeps_total = False
        """SPDY/3 knows only the windows of streams."""
        self._initial_window = WINDOW_BYTES
        self._window = WINDOW_BYTES
        self._received = 0
        self._opened = asyncio.Event()
        """Set whenever a window has grown."""

    def open(self, headers: Mapping[str, str]) -> Stream:
        """The peer may still refuse it: see `Stream.replied`."""
        id = self._next_id
        self._next_id += 2
        stream = self._streams[id] = Stream(self, id, headers, self._initial_window)
        self.post(SynStream(id, headers))
        return stream

    async def run(self) -> None:
        """Returns when the peer ends the connection or breaks the protocol; its streams are then broken off."""
        try:
            await first_of(self._read(), self._outgoing.run(self._pipe), self._ping())
        finally:
            self._outgoing.end()
            self._opened.set()
            for stream in list(self._streams.values()):
                stream.broken_off()
            self._ended.set()

    async def close(self) -> None:
        """Say goodbye, let the peer take what is on its way and close, for a few seconds at most. `run` goes on until then."""
        self._closing = True
        self.post(GoAway(self._last_id, GOAWAY_OK))
        for stream in self._streams.values():
            stream.discard()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await self._ended.wait()
        finally:
            await self._pipe.close()

    # What streams call.

    def post(self, frame: Frame) -> None:
        if self._quiet and isinstance(frame, WindowUpdate):
            return
        self._outgoing.put(self._writer.encode(frame))

    def forget(self, id: int) -> None:
        if self._streams.pop(id, None) is not None and self._is_theirs(id):
            self._theirs -= 1
        self._opened.set()

    async def allowance(self, stream: Stream, wanted: int) -> int:
        while True:
            await self._outgoing.room()
            stream.check_open()
            size = min(wanted, stream.window) if self._keeps_windows else wanted
            size = min(size, self._window) if self._keeps_total else size
            if size > 0:
                self._window -= size
                return size
            self._opened.clear()
            await self._opened.wait()

    # The tasks.

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            if self._quiet:
                continue
            self.post(Ping(self._ping_id))
            self._ping_id += 2

    async def _read(self) -> None:
        try:
            while (piece := await self._pipe.receive()) is not None:
                for frame in self._reader.feed(piece):
                    await self._handle(frame)
                    if self._outgoing.is_choked:
                        raise SpdyError("the peer does not read what it asks for")
        except SpdyError:
            self.post(GoAway(self._last_id, GOAWAY_PROTOCOL_ERROR))
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    await self._outgoing.flushed()

    async def _handle(self, frame: Frame) -> None:
        match frame:
            case Data(id, data, fin):
                await self._take(id, data, fin)
            case SynStream():
                self._accept(frame)
            case SynReply(id, _, fin):
                if id in self._streams:
                    self._streams[id].accepted()
                await self._take(id, b"", fin)
            case Headers(id, _, fin):
                await self._take(id, b"", fin)
            case RstStream(id, _):
                if id in self._streams:
                    self._streams[id].broken_off()
            case Settings(values):
                if INITIAL_WINDOW_SIZE in values:
                    self._resize_windows(values[INITIAL_WINDOW_SIZE])
            case WindowUpdate(id, delta):
                self._grow(id, delta)
            case Ping(id):
                if self._is_theirs(id):
                    self.post(frame)
            case GoAway():
                # It takes no new streams; those that are there go on, and the peer ends the connection.
                self._closing = True

    def _is_theirs(self, id: int) -> bool:
        return id % 2 != self._next_id % 2

    def _accept(self, frame: SynStream) -> None:
        if not self._is_theirs(frame.id) or frame.id <= self._last_id:
            raise SpdyError(f"{frame.id} is no id for a new stream")
        self._last_id = frame.id
        if self._closing or self._theirs >= MAX_STREAMS:
            self.post(RstStream(frame.id, REFUSED_STREAM))
            return
        stream = self._streams[frame.id] = Stream(self, frame.id, frame.headers, self._initial_window)
        self._theirs += 1
        if frame.fin:
            stream.received_all()
        if frame.unidirectional:
            stream.sent_all()
        else:
            self.post(SynReply(frame.id, {}))
        self._on_stream(stream)

    async def _take(self, id: int, data: bytes, fin: bool) -> None:
        self._count(len(data))
        stream = self._streams.get(id)
        if stream is None:
            self._refuse_data(id)
            return
        stream.take(data)
        if fin:
            stream.received_all()
        await stream.low()

    def _count(self, size: int) -> None:
        """The connection's window opens again as data arrives: what may lie unread is the business of the streams' windows."""
        self._received += size
        if self._received >= WINDOW_BYTES // 2:
            self.post(WindowUpdate(0, self._received))
            self._received = 0

    def _refuse_data(self, id: int) -> None:
        """Data of a stream that has just been closed may still be on its way; of one that was never opened it must not be."""
        was_open = id <= self._last_id if self._is_theirs(id) else id < self._next_id
        if not was_open:
            self.post(RstStream(id, INVALID_STREAM))

    def _resize_windows(self, size: int) -> None:
        if size > LARGEST_WINDOW:
            raise SpdyError("the initial window is too large")
        self._keeps_windows = True
        for stream in self._streams.values():
            stream.window += size - self._initial_window
        self._initial_window = size
        self._opened.set()

    def _grow(self, id: int, delta: int) -> None:
        if id == 0:
            self._keeps_total = True
            self._window += delta
            if self._window > LARGEST_WINDOW:
                raise SpdyError("the connection's window is too large")
        elif id in self._streams:
            self._keeps_windows = True
            self._streams[id].window += delta
            if self._streams[id].window > LARGEST_WINDOW:
                self._streams[id].reset(FLOW_CONTROL_ERROR)
        self._opened.set()
