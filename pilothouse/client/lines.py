"""Cutting a byte stream into lines of any length, without going over a long line more than once."""

from collections.abc import AsyncIterable, AsyncIterator


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Complete lines, without their end; empty ones are left out. Raises EOFError when the stream ends inside a line."""
    begun: list[bytes] = []
    async for chunk in chunks:
        if b"\n" not in chunk:
            begun.append(chunk)
            continue
        first, *more = chunk.split(b"\n")
        begun.append(first)
        if line := b"".join(begun):
            yield line
        rest = more.pop()
        for line in more:
            if line:
                yield line
        begun = [rest] if rest else []
    if begun:
        raise EOFError("the stream ended inside a line")
