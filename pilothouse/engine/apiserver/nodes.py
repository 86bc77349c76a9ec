"""The seam to the node: logs of a container and processes in it, without knowing how a node runs them.

The node agent implements it over its container runtime; whoever starts the server hands an implementation in.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class LogOptions:
    """follow: go on until the container ends. since: RFC 3339, lines from then on. tail: only so many last lines."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since_s: int | None = None
    since: str = ""
    tail: int | None = None
    limit_bytes: int | None = None
    stream: str = "All"


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

    close() gives the pod a few seconds to read what is on its way.
    """

    async def receive(self) -> bytes | None: ...
    async def send(self, data: bytes) -> None: ...
    async def end_of_input(self) -> None: ...
    async def close(self) -> None: ...


class NodeProxy(Protocol):
    async def connect(self, node: Object) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, str]:
        """A connection to the node's own API, and the value of the Host header for it. Raises Unavailable."""
        ...


class NodeConnector(Protocol):
    """Raises ApiError (NotFound for an unknown container, BadRequest for one that is not running)."""

    def logs(self, pod: Object, container: str, options: LogOptions) -> AsyncIterator[bytes]: ...

    async def exec(
        self, pod: Object, container: str, command: list[str], *, stdin: bool, stdout: bool, stderr: bool, tty: bool
    ) -> ExecSession: ...

    async def attach(self, pod: Object, container: str, *, stdin: bool, stdout: bool, stderr: bool, tty: bool) -> ExecSession: ...
    async def connect(self, pod: Object, port: int) -> PortStream: ...
