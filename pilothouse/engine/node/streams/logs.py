"""CRI log files as `kubectl logs` shows them. A line on disk is `TIME STREAM TAG TEXT`; tag P marks a piece of a longer line.

Rotated files are `N.log.TIMESTAMP`, oldest first; the runtime writes to `N.log`. Files are read block by block in a thread, and the next
block only when the reader has taken the last: a log's size costs neither memory nor the loop.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pilothouse.model.meta import parse_rfc3339

BLOCK_BYTES = 256 * 1024
"""Read at a time. The runtime splits longer lines into pieces of at most 16 KiB, so a block always holds whole ones."""
FOLLOW_S = 0.1


class Options(Protocol):
    """The options of a log request, as the API server hands them over."""

    @property
    def follow(self) -> bool: ...
    @property
    def timestamps(self) -> bool: ...
    @property
    def since_s(self) -> int | None: ...
    @property
    def since(self) -> str: ...
    @property
    def tail(self) -> int | None: ...
    @property
    def limit_bytes(self) -> int | None: ...
    @property
    def stream(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Line:
    stamp: bytes
    stream: bytes
    partial: bool
    text: bytes

    @staticmethod
    def parse(raw: bytes) -> "Line | None":
        """None for a line that is not (yet) complete."""
        parts = raw.split(b" ", 3)
        if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
            return None
        return Line(parts[0], parts[1], parts[2].startswith(b"P"), parts[3])

    def shown(self, timestamps: bool) -> bytes:
        text = self.text if self.partial else self.text + b"\n"
        return self.stamp + b" " + text if timestamps else text


def rotated(path: Path) -> list[Path]:
    """The files of a container's log, oldest first."""
    older = sorted(each for each in path.parent.glob(path.name + ".*") if not each.name.endswith(".tmp"))
    return [*older, path] if path.exists() else older


Ended = Callable[[], Awaitable[bool]]


async def read_log(path: Path, options: Options, ended: Ended) -> AsyncIterator[bytes]:
    """Pieces of output. ended: whether the container writes no more and everything it wrote is in the file; that ends a follow."""
    chosen = _Filter(options)
    files, offset = await asyncio.to_thread(_beginning, path, options.tail)
    for file in files:
        chosen.inode, chosen.position, offset = 0, offset, 0
        while (piece := await asyncio.to_thread(_rest, file, chosen)) is not None:
            if piece:
                yield piece
            if chosen.exhausted:
                return
    if options.follow:
        async for piece in _follow(path, chosen, ended):
            yield piece


class _Filter:
    """Which lines are wanted, how they look, and when enough was said. position: where reading stopped, in the file with that inode."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._since = _since(options)
        self._left = options.limit_bytes
        self._continues = False
        self.position = 0
        self.inode = 0

    @property
    def exhausted(self) -> bool:
        return self._left is not None and self._left <= 0

    def wants(self, line: Line) -> bool:
        if self._options.stream not in ("", "All") and line.stream.decode().lower() != self._options.stream.lower():
            return False
        return not self._since or parse_rfc3339(line.stamp.decode()) >= self._since

    def render(self, line: Line) -> bytes:
        """The next piece of output. A continued line carries its time once."""
        shown = line.shown(self._options.timestamps and not self._continues)
        self._continues = line.partial
        if self._left is not None:
            shown = shown[: self._left]
            self._left -= len(shown)
        return shown


def _since(options: Options) -> float:
    if options.since_s is not None:
        return time.time() - options.since_s
    return parse_rfc3339(options.since) if options.since else 0.0


def _beginning(path: Path, tail: int | None) -> tuple[list[Path], int]:
    """The files to read, oldest first, and where in the first of them the last `tail` lines begin."""
    files = rotated(path)
    if tail is None:
        return files, 0
    left = tail
    for number in range(len(files) - 1, -1, -1):
        offset, left = _tail_offset(files[number], left)
        if left < 0 or number == 0:
            return files[number:], offset
    return files, 0


def _tail_offset(path: Path, lines: int) -> tuple[int, int]:
    """(where the last `lines` lines of a file begin, how many of them are still to be found in older files; -1 for none).

    Pieces of one line count as one. Where a line begins is known from the end of the line before it, so one more is looked for.
    """
    left = lines
    for position, raw in _backwards(path):
        line = Line.parse(raw)
        if line is not None and not line.partial:
            left -= 1
            if left < 0:
                return position + len(raw) + 1, left
    return 0, left


def _backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a file from its end, without their line ends, each with its position."""
    with suppress(OSError), path.open("rb") as file:
        at, end = file.seek(0, os.SEEK_END), b""
        while at > 0:
            start = max(0, at - BLOCK_BYTES)
            file.seek(start)
            data = file.read(at - start) + end
            # What precedes the first line end belongs to a line of the block before, unless there is none.
            first = data.find(b"\n") + 1 if start else 0
            position = start + data.rfind(b"\n") + 1
            for raw in reversed(data[first:].split(b"\n")[:-1]):
                position -= len(raw) + 1
                yield position, raw
            at, end = start, data[:first] if start and first else data if start else b""


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


async def _follow(path: Path, chosen: _Filter, ended: Ended) -> AsyncIterator[bytes]:
    while True:
        # Asked before reading: what is written before the end is then surely read.
        over = await ended()
        piece = await asyncio.to_thread(_news, path, chosen)
        if piece:
            yield piece
        if chosen.exhausted or (over and piece is None):
            return
        if piece is None:
            await asyncio.sleep(FOLLOW_S)


def _news(path: Path, chosen: _Filter) -> bytes | None:
    """What came after the last position, None for nothing; a file that was rotated away is read to its end first."""
    inode = _inode(path)
    if inode == chosen.inode:
        return _rest(path, chosen)
    previous = next((each for each in rotated(path) if _inode(each) == chosen.inode), None)
    piece = _rest(previous, chosen) if previous is not None else None
    if piece is None:
        chosen.position, chosen.inode = 0, inode
        piece = _rest(path, chosen) if inode else None
    return piece


def _rest(path: Path, chosen: _Filter) -> bytes | None:
    """The wanted output of the next block of a file, which may be empty; None when nothing whole is left in it."""
    try:
        with path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if chosen.inode not in (0, inode):
                return None  # rotated away meanwhile: the position is the other file's
            chosen.inode = inode
            file.seek(chosen.position)
            data = file.read(BLOCK_BYTES)
    except OSError:
        return None
    end = data.rfind(b"\n") + 1
    if not end:
        return None
    chosen.position += end
    # Not splitlines(): a program's carriage returns are part of its lines.
    lines = (Line.parse(raw) for raw in data[: end - 1].split(b"\n"))
    return b"".join([chosen.render(line) for line in lines if line is not None and chosen.wants(line)])


def last_lines(path: Path, lines: int, limit_bytes: int) -> str:
    """The end of a log as text, for a termination message; of the file before too when it has just been rotated. Blocking."""
    raw = b""
    for file in reversed(rotated(path)):
        raw = _end_of(file, 4 * limit_bytes - len(raw)) + raw
        if len(raw) >= 4 * limit_bytes:
            break
    texts = [line.text + (b"" if line.partial else b"\n") for line in map(Line.parse, raw.split(b"\n")) if line is not None]
    return b"".join(texts[-lines:])[-limit_bytes:].decode(errors="replace")


def _end_of(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - size))
            return file.read(size)
    except OSError:
        return b""
