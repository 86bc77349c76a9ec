"""What SPDY runs over: bytes both ways, cut anywhere. A TCP connection is one, and so are the messages of a WebSocket."""

from typing import Protocol


class Pipe(Protocol):
    async def receive(self) -> bytes | None:
        """Some bytes, None at the end."""
        ...

    async def send(self, data: bytes) -> None:
        """Waits while the peer is behind; raises OSError when it is gone."""
        ...

    async def close(self) -> None: ...
