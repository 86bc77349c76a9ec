"""What a handler sees of HTTP: requests, responses, and who is at the other end.

A request's bytes are kept as they came: `path` stays percent-encoded, header values are decoded only when asked for.
Nothing here does I/O; a request reaches its connection through the `Exchange` it was given.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pilothouse.wire.duplex import Duplex
from pilothouse.wire.stream import Stream
from pilothouse.wire.websocket import WebSocket

HeaderPairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client certificate that the TLS layer has verified. subject: attribute name and value, in the order of the certificate.

    expires_at: Unix time. The handshake checks it once; a connection may outlive it.
    """

    common_name: str
    organizations: tuple[str, ...]
    subject: tuple[tuple[str, str], ...] = ()
    expires_at: float = float("inf")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection; one object for all its requests. host is empty on a unix socket."""

    host: str = ""
    port: int = 0
    certificate: Certificate | None = None

    @property
    def address(self) -> str:
        return self.host


class Headers:
    """Header fields in the order they came; names are lower case and found in any case. `pairs` holds undecoded values."""

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, bytes]]) -> None:
        self.pairs = pairs

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> "Headers":
        return cls([(name.lower(), value.encode("latin-1")) for name, value in pairs])

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of the field."""
        wanted = name.lower()
        for key, value in self.pairs:
            if key == wanted:
                return value.decode("latin-1")
        return default

    def get_all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value.decode("latin-1") for key, value in self.pairs if key == wanted]

    def tokens(self, name: str) -> list[str]:
        """The comma-separated members of a list field, over all its lines."""
        return [token.strip() for value in self.get_all(name) for token in value.split(",") if token.strip()]

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((key, value.decode("latin-1")) for key, value in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


@dataclass(slots=True)
class Response:
    """A whole answer. content-length, date and connection are the server's business, not the handler's.

    Passing the same tuple of headers again and again is cheapest: its encoding is remembered.
    """

    status: int
    headers: HeaderPairs = ()
    body: bytes = b""


class Exchange(Protocol):
    """The connection's side of one request: the three ways of answering that are not a Response."""

    def stream(self, request: "Request", status: int, headers: HeaderPairs, length: int | None) -> Stream: ...
    async def websocket(self, request: "Request", subprotocols: Sequence[str]) -> WebSocket: ...
    async def upgrade(self, request: "Request", protocol: str, headers: HeaderPairs) -> Duplex: ...


class Request:
    """One request with its whole body.

    answer_headers: sent with whichever answer the request gets, beside the handler's own; the handler may set them.
    too_large: the body went over the server's limit and was not kept; whatever is answered (413), the connection then closes.
    """

    __slots__ = (
        "answer_headers",
        "body",
        "exchange",
        "headers",
        "keep_alive",
        "method",
        "path",
        "peer",
        "query",
        "target",
        "too_large",
        "version",
    )

    def __init__(
        self,
        method: str,
        target: str,
        headers: Headers | None = None,
        body: bytes = b"",
        *,
        peer: Peer | None = None,
        exchange: Exchange | None = None,
        version: str = "1.1",
    ) -> None:
        self.method = method
        self.target = target
        self.path, _, self.query = target.partition("?")
        self.headers = Headers([]) if headers is None else headers
        self.body = body
        self.peer = Peer() if peer is None else peer
        self.exchange = exchange
        self.version = version
        self.answer_headers: HeaderPairs = ()
        self.keep_alive = True
        self.too_large = False

    def stream(self, status: int = 200, headers: HeaderPairs = (), length: int | None = None) -> Stream:
        """Answer piece by piece. The handler returns None when it is done; an exception cuts the answer short.

        length: of the body in bytes, where it is known: the answer is chunked otherwise. A body that falls short of it is cut.
        """
        return self._connected().stream(self, status, headers, length)

    async def websocket(self, subprotocols: Sequence[str] = ()) -> WebSocket:
        """Accept a WebSocket (RFC 6455) with the first subprotocol of the client's that is among ours; raises HandshakeRefused."""
        return await self._connected().websocket(self, subprotocols)

    async def upgrade(self, protocol: str, headers: HeaderPairs = ()) -> Duplex:
        """Answer 101 and hand the connection's bytes over; raises HandshakeRefused unless the client asked for an upgrade."""
        return await self._connected().upgrade(self, protocol, headers)

    def upgrades_to(self, protocol: str) -> bool:
        """Whether the client asks for this protocol on the connection (name in any case, such as `websocket` or `SPDY/3.1`)."""
        return protocol.lower() in (token.lower() for token in self.headers.tokens("upgrade"))

    def _connected(self) -> Exchange:
        if self.exchange is None:
            raise RuntimeError(f"{self.method} {self.target}: the request came over no connection")
        return self.exchange

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.target}>"


Handler = Callable[[Request], Awaitable[Response | None]]
"""Answers a request; None means that it has streamed or upgraded."""

BodyLimit = Callable[[Request], int]
"""How many bytes of body to take of a request, judged by its head alone. Must be quick, and must not raise."""


class HandshakeRefused(Exception):
    """The client's upgrade request cannot be met. Left alone by the handler, the server answers `response`."""

    def __init__(self, why: str, status: int = 400, headers: HeaderPairs = ()) -> None:
        super().__init__(why)
        text = (("content-type", "text/plain; charset=utf-8"), *headers)
        self.response = Response(status, text, f"{why}\n".encode())
