"""An HTTP/1.1 answer read piece by piece: its status, then its body as it comes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

import httptools

CHUNK = 64 * 1024
WHOLE_BYTES = 1 << 20


class Body:
    """Of one answer on a connection. Raises EOFError where the answer ends too early, or is none."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._pieces: deque[bytes] = deque()
        self._has_head = False
        self._is_complete = False

    async def head(self) -> int:
        """The status code."""
        while not self._has_head:
            await self._feed()
        return int(self._parser.get_status_code())

    def header(self, name: str) -> str:
        """Its first value, "" without one; known once the head is. name: in lower case."""
        return self._headers.get(name, "")

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                yield self._pieces.popleft()
            if self._is_complete:
                return
            await self._feed()

    async def whole(self) -> bytes:
        """For answers that are short: what goes beyond `WHOLE_BYTES` is left out."""
        found = b""
        async for piece in self.pieces():
            found += piece
            if len(found) > WHOLE_BYTES:
                break
        return found

    async def _feed(self) -> None:
        data = await self._reader.read(CHUNK)
        if not data:
            raise EOFError("the answer was cut off")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise EOFError(f"this is no HTTP answer: {error}") from error

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._is_complete = True
