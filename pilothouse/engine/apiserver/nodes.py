"""The seam to the node: logs of a container and processes in it, without knowing how a node runs them.

The node agent implements it over its container runtime; whoever starts the server hands an implementation in.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from pilothouse.engine.streaming.seams import ExecSession, PortStream
from pilothouse.model.json import Object

__all__ = ["ExecSession", "LogOptions", "NodeConnector", "NodeProxy", "PortStream"]


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
