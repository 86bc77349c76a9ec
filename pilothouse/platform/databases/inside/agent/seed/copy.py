"""A live copy of the server's data as one compressed stream, and a server's folder made of such a stream."""

import tempfile
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.job import Failed
from pilothouse.platform.databases.inside.agent.seed import folder
from pilothouse.platform.databases.inside.agent.seed.pipeline import Pipeline
from pilothouse.platform.databases.inside.agent.settings import Settings

PIECE = 256 << 10
POSITION = "pilothouse-seed"
"""In the server's folder: the position of the copy in the replication, for a server whose own log is new."""
_UNPROVEN = "pilothouse-seed-unproven"
"""Beside it, until it is known that the copy lacks nothing that this member had acknowledged before."""
_BINLOG_INFO = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")
_END_WITHIN_S = 60.0
_SILENT_S = 120.0
"""A backup waits for as long as a commit waits for its acknowledgement; then it is given up."""
_TOLD_EACH = 16 << 20


def stream(settings: Settings) -> Generator[bytes]:
    """mariadb-backup's stream through zstd. Raises Failed, at the end too: what came before is worth nothing then."""
    with tempfile.TemporaryDirectory(dir=settings.data / "tmp", prefix="copy-") as place:
        backup = [
            "mariadb-backup",
            f"--defaults-file={settings.configuration}",
            "--backup",
            "--stream=mbstream",
            "--log-copy-interval=20",  # by default it holds up all commits for a second
            f"--user={settings.user}",
            f"--socket={settings.socket}",
            f"--target-dir={place}",
        ]
        yield from compressed(backup)


def compressed(command: list[str]) -> Generator[bytes]:
    """What the program gives, through zstd. Raises Failed, at the end too: what came before is worth nothing then."""
    with tempfile.TemporaryFile() as log, Pipeline([command, ["zstd", "-q", "-1", "-c"]], log) as pipeline:
        while piece := pipeline.read(PIECE, _SILENT_S):
            yield piece
        pipeline.finish(_END_WITHIN_S)


def take(settings: Settings, pieces: Iterable[bytes], tell: Callable[[str], None]) -> None:
    """Makes the server's folder of such a stream. pieces: raises when the stream is not whole. Raises Failed, OSError."""
    place = folder.begin(settings)
    try:
        with tempfile.TemporaryFile() as log:
            _unpack(place, pieces, tell, log)
            tell("preparing the copy")
            _prepare(place, log)
        files.write(place / POSITION, _position(place))
        files.write(place / _UNPROVEN, "")
        folder.finish(settings)
    except BaseException:
        folder.give_up(settings)
        raise


def position(settings: Settings) -> str:
    """Of the copy that the folder was made of; "" for one that was made empty."""
    return files.read(settings.mysql / POSITION).strip()


def is_unproven(settings: Settings) -> bool:
    """Whether the data are a copy that has not caught up with a primary yet: it may be older than what its member had before."""
    return (settings.mysql / _UNPROVEN).exists()


def has_caught_up(settings: Settings) -> None:
    """Also of data that are the primary's now. Raises OSError."""
    (settings.mysql / _UNPROVEN).unlink(missing_ok=True)


def _unpack(place: Path, pieces: Iterable[bytes], tell: Callable[[str], None], log: IO[bytes]) -> None:
    received = told = 0
    with Pipeline([["zstd", "-q", "-d", "-c"], ["mbstream", "-x", "-C", str(place)]], log, takes_input=True) as pipeline:
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


def _prepare(place: Path, log: IO[bytes]) -> None:
    """Applies the redo log that came with the copy."""
    with Pipeline([["mariadb-backup", "--prepare", "--use-memory=48M", f"--target-dir={place}"]], log) as pipeline:
        while pipeline.output.read(PIECE):
            continue
        pipeline.finish(_END_WITHIN_S)


def _position(place: Path) -> str:
    for name in _BINLOG_INFO:
        fields = files.read(place / name).split()
        if len(fields) >= 3:
            return fields[2]
    return ""
