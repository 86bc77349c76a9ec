"""The runtime's streaming server: where an exec or attach is joined, with streams that tell each other apart by their `streamtype`.

SPDY and not the WebSocket that the same server accepts, because only SPDY can say that standard input has ended.
Source: kubernetes remotecommand v4.
"""

import asyncio
from urllib.parse import urlsplit

from pilothouse.wire.spdy import PROTOCOL

STREAMS = "v4.channel.k8s.io"
CONNECT_S = 10.0
CHUNK = 32 * 1024


class Refused(Exception):
    """The streaming server cannot be reached or does not want the session."""


class TcpPipe:
    """What SPDY runs over, once the server has switched to it. close() drops what has not been sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def receive(self) -> bytes | None:
        try:
            return await self._reader.read(CHUNK) or None
        except OSError:
            return None

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.transport.abort()


async def connect(url: str) -> TcpPipe:
    """Raises Refused."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            writer.write(
                f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: {PROTOCOL}\r\n"
                f"X-Stream-Protocol-Version: {STREAMS}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"101":
                said = await reader.read(4096)
                writer.transport.abort()
                raise Refused(f"the runtime refused the stream: {said.decode(errors='replace').strip()}")
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Refused(f"the runtime's streaming server does not answer: {error}") from error
    return TcpPipe(reader, writer)
