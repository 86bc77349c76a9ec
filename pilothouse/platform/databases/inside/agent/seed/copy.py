"""A live copy of the server's data as one compressed stream, and a server's folder made of such a stream."""

import tempfile
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from typing import IO

from pilothouse.platform.databases.inside.agent import dialects, files
from pilothouse.platform.databases.inside.agent.job import Failed
from pilothouse.platform.databases.inside.agent.seed import folder
from pilothouse.platform.databases.inside.agent.seed.pipeline import Pipeline
from pilothouse.platform.databases.inside.agent.settings import Settings

POSITION = "pilothouse-seed"
"""In the server's folder: the position of the copy in the replication, for a server whose own log is new."""
_UNPROVEN = "pilothouse-seed-unproven"
"""Beside it, until it is known that the data lack nothing that this member had acknowledged before."""
_END_WITHIN_S = 60.0
_TOLD_EACH = 16 << 20


def stream(settings: Settings) -> Generator[bytes]:
    """Raises Failed, at the end too: what came before is worth nothing then."""
    return dialects.of(settings.flavour).copies.give(settings)


def take(settings: Settings, pieces: Iterable[bytes], tell: Callable[[str], None]) -> None:
    """Makes the server's folder of such a stream. pieces: raises when the stream is not whole. Raises Failed, OSError."""
    place, copies = folder.begin(settings), dialects.of(settings.flavour).copies
    try:
        with tempfile.TemporaryFile() as log:
            _unpack(copies.unpack(place), pieces, tell, log)
            tell("preparing the copy")
            copies.prepare(place, log)
        files.write(place / POSITION, copies.position(place))
        files.write(place / _UNPROVEN, "")
        folder.finish(settings)
    except BaseException:
        folder.give_up(settings)
        raise


def position(settings: Settings) -> str:
    """Of the copy that the folder was made of; "" for one that was made empty."""
    return files.read(settings.mysql / POSITION).strip()


def is_unproven(settings: Settings) -> bool:
    """Whether the data are a copy that has not caught up with a primary yet: it may be older than what its member had before. Also
    whether what was received has been lost since.
    """
    return (settings.mysql / _UNPROVEN).exists()


def may_lack(settings: Settings) -> None:
    """What this member had received, and may have acknowledged, is lost. Raises OSError."""
    files.write_durably(settings.mysql / _UNPROVEN, "")


def has_caught_up(settings: Settings) -> None:
    """Also of data that are the primary's now. Raises OSError."""
    (settings.mysql / _UNPROVEN).unlink(missing_ok=True)


def _unpack(command: Sequence[str], pieces: Iterable[bytes], tell: Callable[[str], None], log: IO[bytes]) -> None:
    received = told = 0
    with Pipeline([["zstd", "-q", "-d", "-c"], command], log, takes_input=True) as pipeline:
        for piece in pieces:
            try:
                pipeline.input.write(piece)
            except BrokenPipeError:
                break
            received += len(piece)
            if received - told >= _TOLD_EACH:
                told = received
                tell(f"{received >> 20} MiB received")
        _finish_input(pipeline)
        pipeline.finish(_END_WITHIN_S)
    if not received:
        raise Failed("the copy is empty")


def _finish_input(pipeline: Pipeline) -> None:
    with suppress(BrokenPipeError):
        pipeline.input.close()
