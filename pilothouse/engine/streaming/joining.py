"""Two connections made one: what either says reaches the other."""

from contextlib import suppress

from pilothouse.aio.tasks import first_of
from pilothouse.wire.spdy import Pipe


async def join(outside: Pipe, inside: Pipe) -> None:
    """Carry bytes both ways until one side has ended; what was sent before an end arrives. Closes the outside, and not the inside."""
    try:
        await first_of(_copy(outside, inside), _copy(inside, outside))
    finally:
        await outside.close()


async def _copy(source: Pipe, sink: Pipe) -> None:
    with suppress(OSError):
        while (data := await source.receive()) is not None:
            await sink.send(data)
