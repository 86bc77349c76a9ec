"""A program in a container and a port of a pod, as whoever carries their bytes sees them, over whichever protocol."""

from collections.abc import AsyncIterator
from typing import Protocol


class ExecSession(Protocol):
    """A running process, seen from outside. Streams that were not asked for end at once."""

    def stdout(self) -> AsyncIterator[bytes]: ...
    def stderr(self) -> AsyncIterator[bytes]: ...

    async def write(self, data: bytes) -> None:
        """Bytes for the process's standard input."""
        ...

    async def close_stdin(self) -> None: ...
    async def resize(self, width: int, height: int) -> None: ...

    async def wait(self) -> int:
        """The exit code, once both output streams have ended."""
        ...

    async def close(self) -> None:
        """The client has gone; may be called at any time, and more than once."""
        ...


class PortStream(Protocol):
    """A connection to a port of a pod. Everything but close() raises OSError once the pod has broken it.

    receive() raises ApiError in the place of an end where the pod's node turns out not to have connected to the port.
    close() gives the pod a few seconds to read what is on its way.
    """

    async def receive(self) -> bytes | None: ...
    async def send(self, data: bytes) -> None: ...
    async def end_of_input(self) -> None: ...
    async def close(self) -> None: ...
