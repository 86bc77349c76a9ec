"""The client's half of SPDY/3.1, as far as the runtime's streaming server needs it: open streams, send, half-close, receive.

SPDY and not the WebSocket that the same server accepts, because only SPDY can say that standard input has ended. Header blocks are
compressed without the protocol's dictionary (a reader must accept that) and never read. The server uses no flow control.
Source: SPDY Protocol draft 3.1; kubernetes remotecommand v4.
"""

import asyncio
import struct
import zlib
from collections.abc import Mapping
from urllib.parse import urlsplit

PROTOCOL = "v4.channel.k8s.io"
SYN_STREAM, RST_STREAM, PING, GOAWAY = 1, 3, 6, 7
FIN = 1
MAX_FRAME = 32 * 1024
QUEUE_FRAMES = 64
CONNECT_S = 10.0


class SpdyError(Exception):
    """The server refused the upgrade or broke the connection."""


class Stream:
    """One stream. Data is received in order; None is its end."""

    def __init__(self, connection: "Connection", id: int) -> None:
        self._connection = connection
        self._id = id
        self._received: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_FRAMES)
        self._ended = False
        self._closed = False

    async def receive(self) -> bytes | None:
        if self._ended and self._received.empty():
            return None
        data = await self._received.get()
        self._ended |= data is None
        return data

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), MAX_FRAME):
            if not self._closed:
                await self._connection.send_data(self._id, data[start : start + MAX_FRAME], 0)

    async def end(self) -> None:
        """No more will be sent."""
        if not self._closed:
            self._closed = True
            await self._connection.send_data(self._id, b"", FIN)

    async def take(self, data: bytes, flags: int) -> None:
        if data:
            await self._received.put(data)
        if flags & FIN:
            await self._received.put(None)

    def break_off(self) -> None:
        """The connection is gone: what waits to be read stays readable."""
        self._closed = True
        if self._received.full():
            self._received.get_nowait()
        self._received.put_nowait(None)


class Connection:
    """Made by `connect`. `run` has to run for anything to arrive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._compress = zlib.compressobj()
        self._streams: dict[int, Stream] = {}
        self._next_id = 1

    async def open(self, headers: Mapping[str, str]) -> Stream:
        id = self._next_id
        self._next_id += 2
        stream = self._streams[id] = Stream(self, id)
        pairs = b"".join(_text(name) + _text(value) for name, value in headers.items())
        block = self._compress.compress(struct.pack("!I", len(headers)) + pairs) + self._compress.flush(zlib.Z_SYNC_FLUSH)
        await self._send_control(SYN_STREAM, 0, struct.pack("!IIH", id, 0, 0) + block)
        return stream

    async def send_data(self, id: int, data: bytes, flags: int) -> None:
        await self._send(struct.pack("!II", id, flags << 24 | len(data)) + data)

    async def _send_control(self, type: int, flags: int, payload: bytes) -> None:
        await self._send(struct.pack("!HHI", 0x8003, type, flags << 24 | len(payload)) + payload)

    async def _send(self, frame: bytes) -> None:
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as error:
            raise SpdyError(str(error)) from error

    async def run(self) -> None:
        """Receives until the connection ends."""
        try:
            while True:
                head = await self._reader.readexactly(8)
                first, second = struct.unpack("!II", head)
                payload = await self._reader.readexactly(second & 0xFFFFFF)
                if first & 0x80000000:
                    await self._control(first & 0xFFFF, payload)
                elif first in self._streams:
                    await self._streams[first].take(payload, second >> 24)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            for stream in self._streams.values():
                stream.break_off()

    async def _control(self, type: int, payload: bytes) -> None:
        if type == PING:
            await self._send_control(PING, 0, payload)
        elif type == RST_STREAM:
            stream = self._streams.get(struct.unpack("!I", payload[:4])[0])
            if stream is not None:
                stream.break_off()

    def close(self) -> None:
        self._writer.transport.abort()


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("!I", len(data)) + data


async def connect(url: str) -> Connection:
    """Raises SpdyError."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            writer.write(
                f"POST {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
                f"X-Stream-Protocol-Version: {PROTOCOL}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"101":
                said = await reader.read(4096)
                writer.transport.abort()
                raise SpdyError(f"the runtime refused the stream: {said.decode(errors='replace').strip()}")
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise SpdyError(f"the runtime's streaming server does not answer: {error}") from error
    return Connection(reader, writer)
