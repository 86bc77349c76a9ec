"""What a verb answers, before anybody has decided how it goes out.

A verb knows nothing of HTTP, YAML or tables: it returns one of these; `respond` turns it into bytes for a socket and
`inprocess` into dicts. Values of `ObjectResponse` and `ListResponse` are the store's own (no apiVersion, no kind; never to be changed).
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from pilothouse.client.transport import Socket
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object, dumps
from pilothouse.wire.spdy import Pipe


class Stored(Protocol):
    """A store's record, as far as answers need it."""

    @property
    def value(self) -> Object: ...
    @property
    def raw(self) -> bytes: ...
    def peek(self) -> Object:
        """The value, for whoever goes through many."""
        ...


@dataclass(slots=True)
class Unstored:
    """A value that is not (or not so) in the store: dry runs, tombstones, pruned views."""

    value: Object
    _raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = dumps(self.value)
        return self._raw

    def peek(self) -> Object:
        return self.value


@dataclass(slots=True)
class ObjectResponse:
    served: ServedResource
    record: Stored
    status: int = 200


@dataclass(slots=True)
class ListResponse:
    """A list or one page of it; `resume` is the continue token, `remaining` what is left after this page.

    revision: 0 for a list of what is not stored.
    """

    served: ServedResource
    records: list[Any]
    revision: int
    resume: str = ""
    remaining: int | None = None


@dataclass(slots=True)
class DocumentResponse:
    """A complete object with its own apiVersion and kind: Status, Scale, reviews, discovery documents."""

    value: Object
    status: int = 200


@dataclass(slots=True)
class RawResponse:
    body: bytes
    content_type: str
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class StreamResponse:
    """A body of any length; the iterator is closed when the client goes away.

    headers: all that it has, None for the content type and what the server says of every answer of its own. length: in bytes, where known.
    as_messages: whether a client may have the pieces as messages of a WebSocket.
    """

    chunks: AsyncIterator[bytes]
    content_type: str = "text/plain"
    status: int = 200
    headers: list[tuple[str, str]] | None = None
    length: int | None = None
    as_messages: bool = False


@dataclass(slots=True)
class Tunnel:
    """An upgrade that another server has accepted: the client's bytes go to it, and its bytes to the client, until one of them ends.

    headers: of its 101, without those that every upgrade has.
    """

    protocol: str
    headers: list[tuple[str, str]]
    pipe: Pipe


@dataclass(slots=True)
class Session:
    """An upgrade: run is called with the accepted socket; its end is the session's end.

    stream_protocols, run_streams: the same for a client that asks for SPDY in the place of a WebSocket.
    """

    protocols: tuple[str, ...]
    run: Callable[[Socket], Coroutine[Any, Any, None]]
    stream_protocols: tuple[str, ...]
    run_streams: Callable[[Pipe], Coroutine[Any, Any, None]]


def deleted(served: ServedResource, name: str, uid: str) -> DocumentResponse:
    """The Status of a deletion that has been carried out."""
    resource = served.resource
    details: Object = {"name": name, "group": resource.group, "kind": resource.plural, "uid": uid}
    return DocumentResponse(success(details))


def success(details: Object | None = None, code: int | None = None) -> Object:
    status: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = {key: value for key, value in details.items() if value}
    if code:
        status["code"] = code
    return status
