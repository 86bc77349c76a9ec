"""Lists that are too long for one piece: sent as they are encoded, slice by slice, so that neither the loop nor memory holds them whole.

A list of fifty megabytes would keep everybody else waiting while it is joined, compressed and encrypted, and be in memory twice for
as long as its reader takes.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from pilothouse.engine.apiserver.answer import ListResponse
from pilothouse.engine.apiserver.http.frames import item_bytes
from pilothouse.engine.apiserver.request.request import ApiRequest
from pilothouse.wire.messages import HeaderPairs, Request

SLICE_BYTES = 64 * 1024
SLICE_ITEMS = 32
"""Of those that have to be made for the answer."""
MADE_OF_BYTES = 512 * 1024
"""Of JSON that is decoded for them."""
_GZIP = 31
_LEVEL = 1


def is_long(answer: ListResponse) -> bool:
    """Judged without going through all of it."""
    if len(answer.records) > 4 * SLICE_ITEMS:
        return True
    total = 0
    for record in answer.records:
        total += len(record.raw)
        if total > 2 * SLICE_BYTES:
            return True
    return False


def as_stored(answer: ListResponse) -> Iterator[bytes]:
    """The items as slices of bytes, joined by commas."""
    served = answer.served
    most = SLICE_ITEMS if served.kind.from_stored is not None else len(answer.records)
    return _sliced(answer.records, lambda record: item_bytes(served, record), most)


def as_made(records: list[Any], make: Callable[[Any], bytes]) -> Iterator[bytes]:
    """The same of what `make` makes of each record."""
    return _sliced(records, make, SLICE_ITEMS)


def _sliced(records: list[Any], make: Callable[[Any], bytes], most: int) -> Iterator[bytes]:
    """most: how many are made before others have a turn. Of large ones fewer: little may be made of much."""
    pending: list[bytes] = []
    size = made_of = 0
    for record in records:
        item = make(record)
        pending.append(item)
        size += len(item) + 1
        made_of += len(record.raw)
        if size >= SLICE_BYTES or len(pending) >= most or made_of >= MADE_OF_BYTES:
            yield b",".join(pending)
            pending, size, made_of = [], 0, 0
    if pending:
        yield b",".join(pending)


async def send(request: ApiRequest, http: Request, headers: HeaderPairs, start: bytes, slices: Iterator[bytes]) -> None:
    """start: the document up to and with the opening bracket of its last field, whose items the slices are.

    Raises Disconnected.
    """
    is_packed = "gzip" in (request.headers.get("accept-encoding") or "")
    more = (("content-encoding", "gzip"), ("vary", "Accept-Encoding")) if is_packed else ()
    stream = http.stream(200, (*headers, *more))
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP) if is_packed else None
    async for piece in _pieces(request, start, slices):
        stream.write(packer.compress(piece) if packer else piece)
        await stream.drain()
    if packer:
        stream.write(packer.flush())
    await stream.finish()


async def _pieces(request: ApiRequest, start: bytes, slices: Iterator[bytes]) -> AsyncIterator[bytes]:
    before = start
    for piece in slices:
        yield before + piece
        before = b","
        await request.turn()
    yield b"]}\n" if before == b"," else start + b"]}\n"
