"""Answers of other servers as values, for clients in this process: a JSON document, or the events of a watch.

What the other server answers is read within a bound, and a failure of its own becomes the exception that this server's would be.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from pilothouse.client.transport import WatchEvent
from pilothouse.engine.apiserver.answer import StreamResponse
from pilothouse.model.errors import ApiError, Unavailable, echo
from pilothouse.model.json import JSONError, loads

MOST_BYTES = 32 << 20
MOST_EVENT_BYTES = 4 << 20
_IN_A_THREAD_BYTES = 64 * 1024


def is_json(answer: StreamResponse) -> bool:
    return answer.content_type.partition(";")[0].strip() == "application/json"


async def value(answer: StreamResponse) -> Any:
    """Raises ApiError."""
    body = await _read(answer)
    found = await asyncio.to_thread(_parsed, body) if len(body) > _IN_A_THREAD_BYTES else _parsed(body)
    if answer.status >= 400:
        raise _failed(answer.status, found, body)
    if found is None:
        raise Unavailable("another server has answered with what is no JSON")
    return found


async def events(answer: StreamResponse) -> AsyncGenerator[WatchEvent, None]:
    """Of a watch, until the other server ends it. Raises ApiError, also for an ERROR event."""
    if answer.status >= 400:
        await value(answer)
    rest = b""
    chunks: Any = answer.chunks
    async with aclosing(chunks):
        async for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield _event(line)
            if len(rest) > MOST_EVENT_BYTES:
                raise Unavailable(f"another server has sent an event of more than {MOST_EVENT_BYTES} bytes")


async def _read(answer: StreamResponse) -> bytes:
    found = bytearray()
    chunks: Any = answer.chunks
    async with aclosing(chunks):
        async for chunk in chunks:
            found += chunk
            if len(found) > MOST_BYTES:
                raise Unavailable(f"another server has answered with more than {MOST_BYTES >> 20} MiB")
    return bytes(found)


def _parsed(body: bytes) -> Any:
    """None for what is no JSON."""
    try:
        return loads(body)
    except JSONError:
        return None


def _failed(status: int, found: Any, body: bytes) -> ApiError:
    if isinstance(found, dict) and found.get("kind") == "Status":
        return ApiError.from_status({"code": status, **found})
    return ApiError(echo(body[:1024].decode(errors="replace").strip()) or f"HTTP status {status}", code=status, reason="")


def _event(line: bytes) -> WatchEvent:
    found = _parsed(line)
    kind, obj = (found.get("type"), found.get("object")) if isinstance(found, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(obj, dict):
        raise Unavailable("another server has sent an event that is none")
    if kind == "ERROR":
        raise ApiError.from_status(obj)
    return WatchEvent(kind, obj)
