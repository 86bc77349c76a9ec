"""Small servers on the loopback that say exactly what a test wants."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def answering(*answers: bytes, keep_open: bool = False, secure: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """Answers one connection after another, the last answer again and again; yields its port and what it was asked."""
    asked: list[str] = []
    left = list(answers)
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        except asyncio.IncompleteReadError as error:
            asked.append(error.partial.decode("latin-1"))
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        if keep_open:
            await over.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=secure) as listening:
        try:
            yield listening.sockets[0].getsockname()[1], asked
        finally:
            over.set()


@asynccontextmanager
async def plain_only(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """An HTTP server that answers anything else, a TLS greeting say, with `answer`; b"": it goes on waiting."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(4096))
        if asked[-1].startswith(b"GET "):
            writer.write(OK)
        elif answer:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], asked
