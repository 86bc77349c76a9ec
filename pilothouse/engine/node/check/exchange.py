"""One request and its answer on a connection of its own: no pool, certificates not verified, everything bounded.

What the peer sends is a container's word: whatever it is, the outcome is an answer or CheckFailed.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httptools

from pilothouse.engine.node.check.failure import CheckFailed, NoTls, reason
from pilothouse.engine.node.check.request import Request

MAX_BODY, MAX_HEAD, CHUNK, MAX_INTERIM = 10 * 1024, 64 * 1024, 16 * 1024, 5
HANDSHAKE_S = 5.0
_PLAIN_ANSWERS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE")
"""What OpenSSL says when the answer to its greeting is no TLS."""
_PLAIN = "http: server gave HTTP response to HTTPS client"
SWITCHING_PROTOCOLS = 101


class Exchange:
    """status and headers are there after `head`. Header names are in lower case, the first of a name counts."""

    def __init__(self, request: Request, reader: asyncio.StreamReader) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._request = request
        self._reader = reader
        self._body = bytearray()
        self._has_head = self._complete = False
        self._interim = self._received = 0
        self._parser: Any = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=False, lenient_optional_cr_before_lf=True, lenient_optional_lf_after_cr=True, lenient_data_after_close=True
        )

    async def head(self) -> None:
        while not self._has_head:
            if self._received > MAX_HEAD or self._interim > MAX_INTERIM:
                raise self._failed(f"the head of the answer is longer than {MAX_HEAD} bytes")
            if not await self._read():
                raise self._failed("EOF")

    async def body(self) -> bytes:
        """Up to MAX_BODY bytes; the rest is left unread."""
        while not self._complete and len(self._body) < MAX_BODY:
            if not await self._read():
                if {"content-length", "transfer-encoding"} & set(self.headers):
                    raise self._failed("unexpected EOF")
                break
        return bytes(self._body[:MAX_BODY])

    async def _read(self) -> bool:
        """False at the end of the connection."""
        data = await self._reader.read(CHUNK)
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete = True
        except httptools.HttpParserError as error:
            # Bytes after a complete answer are nobody's concern.
            if not self._complete:
                raise self._failed(f"malformed HTTP response {data[:60]!r}") from error
        return bool(data)

    def _failed(self, why: str) -> CheckFailed:
        return CheckFailed(f'Get "{self._request.url}": {why}')

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        status: int = self._parser.get_status_code()
        if 100 <= status < 200 and status != SWITCHING_PROTOCOLS:
            self._interim += 1
            self.headers.clear()
            return
        self.status, self._has_head = status, True

    def on_body(self, data: bytes) -> None:
        if not self._complete and len(self._body) < MAX_BODY:
            self._body += data

    def on_message_complete(self) -> None:
        self._complete = self._has_head


@asynccontextmanager
async def exchange(request: Request) -> AsyncIterator[Exchange]:
    """Sends the request; the answer is read inside the block. Raises CheckFailed, NoTls."""
    reader, writer = await _connected(request)
    try:
        writer.write(request.encoded())
        yield Exchange(request, reader)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise
        raise CheckFailed(f'Get "{request.url}": {reason(error)}') from error
    finally:
        # Nothing more is wanted of this connection: no closing handshake that a slow peer could drag out.
        writer.transport.abort()


async def _connected(request: Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    about, where = f'Get "{request.url}": ', f"dial tcp {request.host}:{request.port}: connect: "
    try:
        if request.scheme != "https":
            return await asyncio.open_connection(request.host, request.port)
        secure = unverified()
        return await asyncio.open_connection(request.host, request.port, ssl=secure, ssl_handshake_timeout=HANDSHAKE_S)
    except ssl.SSLError as error:
        failure = NoTls(about + _PLAIN) if error.reason in _PLAIN_ANSWERS else CheckFailed(f"{about}tls: {error.reason or error}")
        raise failure from error
    except ConnectionAbortedError as error:
        if request.scheme == "https":
            # Closed, or silent for too long: servers that wait for a line end do not find one in every greeting.
            raise NoTls(f"{about}tls: the peer did not answer the handshake") from error
        raise CheckFailed(about + where + reason(error)) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise CheckFailed(about + where + reason(error)) from error


@cache
def unverified() -> ssl.SSLContext:
    """Containers answer with certificates of their own making; a check asks whether they answer, not who they are."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
