"""The sending half of a connection, as streams and upgraded connections use it.

Writing is synchronous and never blocks; whoever writes looks at `buffered` or awaits `drained`.
"""

import asyncio
from typing import Protocol


class Disconnected(ConnectionError):
    """The peer is gone, or the server is closing; nothing more can be sent."""


class Outlet(Protocol):
    @property
    def buffered(self) -> int:
        """Bytes accepted for sending that the kernel has not taken yet; 0 below the transport's high-water mark."""
        ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    def send(self, data: bytes) -> None: ...

    async def drained(self) -> None:
        """Returns when the send buffer is low again; raises Disconnected."""
        ...

    def pause(self) -> None:
        """Stop reading from the peer."""
        ...

    def resume(self) -> None: ...

    def shut(self) -> None:
        """Send what is buffered, then close the connection."""
        ...

    def abort(self) -> None: ...


class _Lost(asyncio.Transport):
    """Takes everything and does nothing."""

    def is_closing(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: object) -> None:
        """Dropped."""

    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


LOST = _Lost()
"""In the place of the transport of a connection that is lost."""
