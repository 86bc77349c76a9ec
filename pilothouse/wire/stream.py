"""An answer sent piece by piece, for watches and logs: cheap to write to, and honest about a reader who is too slow.

Pieces written in one turn of the event loop leave as one chunk in one write. `buffered` tells how far the reader is
behind; what to do about it (wait, drop, disconnect) is the handler's choice.
"""

import asyncio

from pilothouse.wire.outlet import Disconnected, Outlet


class Flusher:
    """Flushes every stream written to in this turn of the loop, with one callback for all of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._written: list[Stream] = []

    def add(self, stream: "Stream") -> None:
        if not self._written:
            self._loop.call_soon(self._flush)
        self._written.append(stream)

    def _flush(self) -> None:
        streams, self._written = self._written, []
        for stream in streams:
            stream.flush()


class Stream:
    """chunked: framed as chunks; otherwise the end of the connection ends the body. silent: a HEAD request, so no body at all."""

    __slots__ = ("_chunked", "_closed", "_flusher", "_outlet", "_pending", "_pending_bytes", "_silent", "finished")

    def __init__(self, outlet: Outlet, flusher: Flusher, *, chunked: bool, silent: bool) -> None:
        self._outlet = outlet
        self._flusher = flusher
        self._chunked = chunked
        self._silent = silent
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._closed: asyncio.Future[None] = outlet.loop.create_future()
        self.finished = False

    @property
    def buffered(self) -> int:
        """Bytes written that the kernel has not taken yet."""
        return self._pending_bytes + self._outlet.buffered

    @property
    def is_closed(self) -> bool:
        return self._closed.done()

    def write(self, data: bytes) -> None:
        """Queue a piece for this turn of the loop; dropped when the stream is closed or finished."""
        if not data or self._silent or self.finished or self._closed.done():
            return
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
        self._outlet.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

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
