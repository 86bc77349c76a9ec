"""A lean HTTP/1.1 client over TLS, one connection an object, one request at a time.

Where requests are counted by the thousand, a general client would be the limit (aiohttp's spends 200 us of a core on each): this one
sends prepared bytes and cuts the answer out of the stream undecoded. It trusts that the server speaks plain JSON: a
body holds no CRLF, so a chunked answer ends at the first `0 CRLF CRLF`.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import urlsplit

from pilothouse.client import kubeconfig
from pilothouse.client.transport import JSON
from pilothouse.wire.tls import client_context

_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is and how to sign in there."""

    host: str
    port: int
    tls: ssl.SSLContext

    @classmethod
    def of(cls, config: kubeconfig.Kubeconfig) -> "Endpoint":
        url = urlsplit(config.server)
        assert url.hostname is not None
        return cls(
            url.hostname, url.port or 443, client_context(config.certificate_authority, config.client_certificate, config.client_key)
        )


class Refused(Exception):
    """An answer of 300 or above."""

    def __init__(self, request: str, status: int, body: bytes) -> None:
        super().__init__(f"{request}: {status} {body[:300].decode(errors='replace')}")
        self.status = status


class Connection(asyncio.Protocol):
    """Made by `connect`. Deadlines are the caller's: one a request would cost a tenth of it."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._head = bytearray()
        self._pieces: list[bytes] = []
        self._missing: int | None = 0
        self._status = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, endpoint: Endpoint) -> Self:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(endpoint.host), endpoint.host, endpoint.port, ssl=endpoint.tls)
        return made

    async def request(self, method: str, path: str, body: bytes = b"", content_type: str = JSON) -> bytes:
        """The answer's body, undecoded. Raises Refused, ConnectionResetError."""
        status, answer = await self._exchange(method, path, body, content_type)
        if status >= 300:
            raise Refused(f"{method} {path}", status, answer)
        return answer

    async def watch(self, path: str, sink: Callable[[bytes], None]) -> None:
        """Returns once the server has accepted; from then on the sink gets what arrives, chunk framing included."""
        self._sink = sink
        status, answer = await self._exchange("GET", path, b"", JSON)
        if status != 200:
            raise Refused(f"GET {path}", status, answer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _exchange(self, method: str, path: str, body: bytes, content_type: str) -> "asyncio.Future[tuple[int, bytes]]":
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        self._answer = asyncio.get_running_loop().create_future()
        extra = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nAccept: application/json\r\n{extra}\r\n"
        self._transport.write(head.encode() + body)
        return self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._sink is not None and self._answer is not None and self._answer.done():
            self._sink(data)
        elif self._status:
            self._add(data)
        else:
            self._head += data
            end = self._head.find(_HEAD_END)
            if end >= 0:
                self._status, self._missing = parse_head(bytes(self._head[: end + 2]))
                rest = bytes(self._head[end + 4 :])
                self._head.clear()
                self._begin(rest)

    def _begin(self, rest: bytes) -> None:
        """The head is there; of a stream that is all that is waited for."""
        if self._sink is not None and self._status == 200:
            self._finish()
            if rest:
                self._sink(rest)
        else:
            self._add(rest)

    def _add(self, data: bytes) -> None:
        self._pieces.append(data)
        if self._missing is None:
            tail = data if len(data) >= len(_LAST_CHUNK) else b"".join(self._pieces[-2:])
            if tail.endswith(_LAST_CHUNK):
                self._finish()
        else:
            self._missing -= len(data)
            if self._missing <= 0:
                self._finish()

    def _finish(self) -> None:
        answer = self._status, b"".join(self._pieces)
        self._pieces.clear()
        self._status = 0
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)


def parse_head(head: bytes) -> tuple[int, int | None]:
    """Status and content length; None for a chunked body."""
    lower = head.lower()
    at = lower.find(b"\r\ncontent-length:")
    if at < 0:
        return int(head[9:12]), None if b"\r\ntransfer-encoding:" in lower else 0
    return int(head[9:12]), int(lower[at + 17 : lower.index(b"\r\n", at + 17)])


@asynccontextmanager
async def connections(endpoint: Endpoint, count: int) -> AsyncIterator[list[Connection]]:
    """That many open connections, closed at the end of the block."""
    opened: list[Connection] = []
    try:
        for _ in range(count):
            opened.append(await Connection.connect(endpoint))  # noqa: PERF401  # a failure must find those that are open
        yield opened
    finally:
        for each in opened:
            each.close()
