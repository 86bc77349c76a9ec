"""The seam to an API server: one request, one watch, one byte stream, one WebSocket.

Implementations: `client.http.HttpTransport` (any server, over TLS) and the engine's in-process transport (straight into
its request pipeline: same authorization, admission and validation, no sockets). Both pass `tests/contracts/transport.py`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pilothouse.model.json import Object

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a client means it. path is percent-encoded; query values are not. body is a JSON value or None."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    timeout_s: float = 30.0


class WatchEvent(NamedTuple):
    """type: ADDED, MODIFIED, DELETED or BOOKMARK. An ERROR event is raised as ApiError by the transport instead."""

    type: str
    object: Object


class Socket(Protocol):
    """A WebSocket of an exec, attach or port-forward session; messages are binary, but for a str, which is text."""

    @property
    def subprotocol(self) -> str: ...
    async def send(self, data: bytes | str) -> None: ...
    async def receive(self) -> bytes | None:
        """The next message, or None when the peer has closed."""
        ...

    async def close(self) -> None: ...


class Transport(Protocol):
    """Raises ApiError for every answer other than success, `Unavailable` when the server cannot be reached."""

    async def call(self, call: Call) -> Any:
        """The decoded JSON body of a successful answer. The value may be shared with other readers: never change it."""
        ...

    def watch(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Entered once the server has accepted the watch; the iterator ends when the server ends it."""
        ...

    def stream(self, call: Call) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A body of any length as it arrives (logs)."""
        ...

    def connect(self, call: Call, subprotocols: tuple[str, ...]) -> AbstractAsyncContextManager[Socket]: ...

    async def close(self) -> None: ...
