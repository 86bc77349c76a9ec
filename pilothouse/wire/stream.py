"""An answer sent piece by piece, for watches and logs: cheap to write to, and honest about a reader who is too slow.

Pieces written in one turn of the event loop leave as one chunk in one write. `buffered` tells how far the reader is
behind; what to do about it (wait, drop, disconnect) is the handler's choice.
"""

import asyncio
import time
from collections import deque

from pilothouse.wire.outlet import Disconnected, Outlet

_TURN_S = 0.001
"""How long streams are flushed before the event loop does something else: a thousand of them take thirty times that."""
_FEW = 8
"""So many streams are flushed at once; of more, the event loop first does what is ready, such as the answer to whoever made the change."""
_TURNS_BEFORE_MANY = 2
"""From a commit to its answer the loop turns twice: the write's task learns of it, then the request's."""


class Flusher:
    """Flushes every stream written to in this turn of the loop, in the order of their first write, with one callback for all of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._written: deque[Stream] = deque()
        self._piece = self._framed = b""

    def add(self, stream: "Stream") -> None:
        if not self._written:
            self._loop.call_soon(self._begin, _TURNS_BEFORE_MANY)
        self._written.append(stream)

    def chunk(self, piece: bytes) -> bytes:
        """The piece as a chunk, made once for all streams that send the same one after another."""
        if piece is not self._piece:
            self._piece, self._framed = piece, b"%x\r\n%b\r\n" % (len(piece), piece)
        return self._framed

    def _begin(self, turns: int) -> None:
        if turns and len(self._written) > _FEW:
            self._loop.call_soon(self._begin, turns - 1)
        else:
            self._flush()

    def _flush(self) -> None:
        end = time.monotonic() + _TURN_S
        while self._written and time.monotonic() < end:
            self._written.popleft().flush()
        if self._written:
            self._loop.call_soon(self._flush)
        else:
            self._piece = self._framed = b""


class Stream:
    """chunked: framed as chunks; otherwise its length or the end of the connection ends the body. silent: a HEAD request, without a body.

    left: of the length that was stated, None where none was: what goes beyond it is dropped.
    """

    __slots__ = ("_chunked", "_closed", "_flusher", "_outlet", "_pending", "_pending_bytes", "_silent", "finished", "left")

    def __init__(self, outlet: Outlet, flusher: Flusher, *, chunked: bool, silent: bool, length: int | None = None) -> None:
        self._outlet = outlet
        self._flusher = flusher
        self._chunked = chunked
        self._silent = silent
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._closed: asyncio.Future[None] = outlet.loop.create_future()
        self.finished = False
        self.left = None if silent else length

    @property
    def buffered(self) -> int:
        """Bytes written that the kernel has not taken yet; those below the transport's high-water mark do not count."""
        return self._pending_bytes + self._outlet.buffered

    @property
    def is_closed(self) -> bool:
        return self._closed.done()

    def write(self, data: bytes) -> None:
        """Queue a piece for this turn of the loop; dropped when the stream is closed or finished."""
        if not data or self._silent or self.finished or self._closed.done():
            return
        if self.left is not None:
            data = data[: self.left]
            self.left -= len(data)
        if not self._pending:
            self._flusher.add(self)
        self._pending.append(data)
        self._pending_bytes += len(data)

    def flush(self) -> None:
        pending = self._pending
        if not pending:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        self._pending_bytes = 0
        self._outlet.send(self._flusher.chunk(data) if self._chunked else data)

    async def drain(self) -> None:
        """Wait until the reader has caught up; raises Disconnected when there is no reader any more."""
        self.flush()
        if self._closed.done():
            raise Disconnected("the reader of the stream is gone")
        await self._outlet.drained()

    async def closed(self) -> None:
        """Returns when nobody wants more: the peer has gone, or the server is closing."""
        await asyncio.shield(self._closed)

    async def finish(self) -> None:
        """End the body. The connection goes on to its next request when the handler returns."""
        self.end()
        if not self._closed.done():
            await self._outlet.drained()

    def end(self) -> None:
        if self.finished:
            return
        self.flush()
        self.finished = True
        if self._chunked and not self._silent:
            self._outlet.send(b"0\r\n\r\n")

    def mark_closed(self) -> None:
        """Called by the connection: writes from here on are dropped, `closed()` returns."""
        if not self._closed.done():
            self.flush()
            self._closed.set_result(None)
