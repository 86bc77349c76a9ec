"""A request that turns its connection into a stream of bytes: to the runtime's streaming server, and to a node.

Exec and attach speak SPDY and not the WebSocket that a runtime accepts as well, because only SPDY can say that standard input has ended.
Source: RFC 9110 section 7.8; kubernetes remotecommand v4.
"""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

from pilothouse.model.digits import natural
from pilothouse.model.errors import ApiError
from pilothouse.model.json import JSONError, loads

STREAMS = "v4.channel.k8s.io"
CONNECT_S = 10.0
CHUNK = 32 * 1024
SAID_BYTES = 1 << 16


class Refused(Exception):
    """The server cannot be reached or does not want the session.

    status: what it answered, where that was an API error. code, said: its HTTP status and words, 0 and nothing where it did not answer.
    """

    def __init__(self, why: str, status: ApiError | None = None, code: int = 0, said: bytes = b"") -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.said = said


class BytePipe:
    """What a protocol runs over, once the server has switched to it. close() drops what has not been sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def receive(self) -> bytes | None:
        try:
            return await self.reader.read(CHUNK) or None
        except OSError:
            return None

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def close(self) -> None:
        self.writer.transport.abort()


async def to_url(url: str, protocol: str) -> BytePipe:
    """Over TCP, to an http URL. Raises Refused."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            return await _switch(reader, writer, parts.netloc, target, protocol)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Refused(f"the streaming server at {parts.netloc} does not answer: {str(error) or 'it took too long'}") from error


async def to_socket(path: Path, target: str, protocol: str) -> BytePipe:
    """Over a unix socket. Raises Refused."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            return await _switch(reader, writer, "node", target, protocol)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Refused(f"nobody answers on {path}: {error}") from error


async def over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, target: str, protocol: str) -> BytePipe:
    """Over a connection that is there, which is closed unless it becomes the stream. Raises Refused."""
    try:
        async with asyncio.timeout(CONNECT_S):
            return await _switch(reader, writer, host, target, protocol)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Refused(f"{host} does not answer: {str(error) or 'it took too long'}") from error


async def _switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, target: str, protocol: str) -> BytePipe:
    try:
        writer.write(
            f"POST {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n"
            f"X-Stream-Protocol-Version: {STREAMS}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if head.split(b" ", 2)[1] != b"101":
            raise _refused(_code(head), await _body(head, reader))
    except BaseException:
        writer.transport.abort()
        raise
    return BytePipe(reader, writer)


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and (length := natural(value.strip().decode("latin-1"))) is not None:
            return await reader.readexactly(min(length, SAID_BYTES))
    return await reader.read(SAID_BYTES)


def _code(head: bytes) -> int:
    return natural(head.split(b" ", 2)[1].decode("latin-1")) or 0


def _refused(code: int, said: bytes) -> Refused:
    text = said.decode(errors="replace").strip()
    try:
        status = loads(said)
    except JSONError:
        return Refused(f"the stream was refused: {text}", code=code, said=said)
    if not isinstance(status, dict) or status.get("kind") != "Status":
        return Refused(f"the stream was refused: {text}", code=code, said=said)
    return Refused(str(status.get("message")), ApiError.from_status(status))
