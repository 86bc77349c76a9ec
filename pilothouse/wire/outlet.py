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
        """Bytes accepted for sending that the kernel has not taken yet."""
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
