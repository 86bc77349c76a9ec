"""Data folders, live copies and texts, by MariaDB's own programs."""

import tempfile
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import IO

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.dialects.mariadb.empty import make_empty
from pilothouse.platform.databases.inside.agent.seed.compressed import PIECE, compressed
from pilothouse.platform.databases.inside.agent.seed.pipeline import Pipeline
from pilothouse.platform.databases.inside.agent.settings import Settings

__all__ = ["dump", "give", "log_as_text", "make_empty", "position", "prepare", "unpack"]
_BINLOG_INFO = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")
_WHAT = ("--all-databases", "--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--gtid", "--master-data=2")
_END_WITHIN_S = 60.0


def give(settings: Settings) -> Generator[bytes]:
    """mariadb-backup's stream."""
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


def unpack(place: Path) -> Sequence[str]:
    return ["mbstream", "-x", "-C", str(place)]


def prepare(place: Path, log: IO[bytes]) -> None:
    """Applies the redo log that came with the copy."""
    with Pipeline([["mariadb-backup", "--prepare", "--use-memory=48M", f"--target-dir={place}"]], log) as pipeline:
        while pipeline.output.read(PIECE):
            continue
        pipeline.finish(_END_WITHIN_S)


def position(place: Path) -> str:
    for name in _BINLOG_INFO:
        fields = files.read(place / name).split()
        if len(fields) >= 3:
            return fields[2]
    return ""


def dump(settings: Settings) -> Sequence[str]:
    places = (f"--defaults-file={settings.configuration}", f"--user={settings.user}", f"--socket={settings.socket}")
    return ["mariadb-dump", *places, *_WHAT]


def log_as_text(logs: Iterable[Path]) -> Sequence[str]:
    return ["mariadb-binlog", "--no-defaults", "--base64-output=decode-rows", "--verbose", *map(str, logs)]
