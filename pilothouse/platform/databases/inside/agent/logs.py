"""The last lines of a log, and those that come."""

import time
from collections.abc import Iterator
from pathlib import Path

MOST_BYTES = 1 << 20
MOST_LINES = 10_000
FOLLOWED_S = 3600.0
_PAUSE_S = 0.5


def last_lines(log: Path, count: int) -> bytes:
    """At most so many whole lines and so many bytes."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - MOST_BYTES))
            lines = file.read().splitlines(keepends=True)
    except FileNotFoundError:
        return b""
    return b"".join(lines[-min(count, MOST_LINES) :]) if count > 0 else b""


def follow(log: Path, count: int) -> Iterator[bytes]:
    """The last lines, then what is added, for an hour at most. A log that is replaced goes on from its beginning."""
    yield last_lines(log, count) or b"\n"
    end = time.monotonic() + FOLLOWED_S
    at, inode = _size(log)
    while time.monotonic() < end:
        time.sleep(_PAUSE_S)
        size, now = _size(log)
        if now != inode or size < at:
            at, inode = 0, now
        if size > at:
            with log.open("rb") as file:
                file.seek(at)
                piece = file.read(min(MOST_BYTES, size - at))
            at += len(piece)
            yield piece


def _size(log: Path) -> tuple[int, int]:
    try:
        found = log.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_ino
