"""One HTTP/1.1 request on a connection of its own: sent whole, its answer read as it comes.

What another program answers is not believed: a head has at most `HEAD_BYTES`, a body is never held, and what is no HTTP ends the exchange.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

import httptools

from pilothouse.engine.apiserver.proxying.headers import Pair

CHUNK = 64 * 1024
HEAD_BYTES = 256 * 1024
LINGER_S = 5.0
"""How long the other end may take to read what it has been sent before its connection is closed."""
_WITHOUT_BODY = (204, 304)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """target: path and query, percent-encoded. headers: without Host and Content-Length."""

    method: str
    target: str
    host: str
    headers: tuple[Pair, ...]
    body: bytes = b""

    def encoded(self) -> bytes:
        """Raises ValueError for what would be more than one request."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"host: {self.host}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"content-length: {len(self.body)}")
        if any(mark in line for line in lines for mark in "\r\n\0") or " " in self.target:
            raise ValueError("a header or the path holds a line break or a blank")
        return "".join(line + "\r\n" for line in [*lines, ""]).encode("latin-1", "replace") + self.body


class Exchange:
    """Owns the connection: whoever has sent the request closes it, or takes it over with `upgraded`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: deque[bytes] = deque()
        self._is_head_request = False
        self._head_bytes = 0
        self._has_head = self._is_complete = False
        self._rest: bytes | None = None
        self.status = 0
        self.headers: list[Pair] = []

    async def send(self, request: Outgoing) -> None:
        """Returns when the head of the answer has come. Raises OSError, EOFError for an answer that ends too early or is none."""
        self._is_head_request = request.method == "HEAD"
        self._writer.write(request.encoded())
        while not self._has_head:
            await self._feed()

    @property
    def is_upgraded(self) -> bool:
        return self.status == 101

    @property
    def may_have_body(self) -> bool:
        """By its status: one to a HEAD says what it would have."""
        return self.status not in _WITHOUT_BODY

    def header(self, name: str) -> str:
        """Its first value, "" without one. name: in lower case."""
        return next((value for key, value in self.headers if key == name), "")

    def upgraded(self) -> "Upgraded":
        """The bytes behind a 101, in both directions; the connection is theirs from here on."""
        return Upgraded(self._reader, self._writer, self._rest or b"")

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Of the body; closes the connection. Raises OSError, EOFError."""
        try:
            while True:
                while self._pieces:
                    yield self._pieces.popleft()
                if self._is_complete:
                    return
                await self._feed()
        finally:
            self.close()

    def close(self) -> None:
        self._writer.transport.abort()

    async def _feed(self) -> None:
        data = await self._reader.read(CHUNK)
        if not data:
            self._ended()
            return
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            raise EOFError(f"malformed HTTP response: {error}") from error
        if not self._has_head and self._head_bytes > HEAD_BYTES:
            raise EOFError(f"the head of the answer is longer than {HEAD_BYTES} bytes")

    def _ended(self) -> None:
        """A body without a stated length ends with the connection."""
        if not self._has_head:
            raise EOFError("EOF")
        if self.header("content-length") or self.header("transfer-encoding"):
            raise EOFError("unexpected EOF")
        self._is_complete = True

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_head:
            self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = int(self._parser.get_status_code())
        if 100 <= self.status < 200 and self.status != 101:
            self.headers.clear()
            return
        self._has_head = True
        self._is_complete = self._is_head_request or self.status in _WITHOUT_BODY

    def on_body(self, body: bytes) -> None:
        if not self._is_complete:
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._has_head:
            self._is_complete = True


class Upgraded:
    """See `wire.spdy.Pipe`. What was sent before close() still arrives, unless it is not read within `LINGER_S`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._first = first

    async def receive(self) -> bytes | None:
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            return await self._reader.read(CHUNK) or None
        except OSError:
            return None

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        try:
            with suppress(OSError):  # TimeoutError among them
                async with asyncio.timeout(LINGER_S):
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()
