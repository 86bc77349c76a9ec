"""CRI log files as `kubectl logs` shows them. A line on disk is `TIME STREAM TAG TEXT`; tag P marks a piece of a longer line.

Rotated files are `N.log.TIMESTAMP`, oldest first; the runtime writes to `N.log`. Reading never blocks the loop for more than a piece.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pilothouse.model.meta import parse_rfc3339

PIECE_BYTES = 64 * 1024
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
    for piece in await asyncio.to_thread(_history, path, chosen, options.tail):
        yield piece
    if options.follow and not chosen.exhausted:
        async for piece in _follow(path, chosen, ended):
            yield piece


class _Filter:
    """Which lines are wanted, how they look, and when enough was said. position: where in the newest file reading stopped."""

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


def _history(path: Path, chosen: _Filter, tail: int | None) -> list[bytes]:
    """What was written so far."""
    files = rotated(path)
    if tail is not None:
        files = _enough(files, tail)
    raw = [line for file in files for line in _complete_lines(file, chosen)]
    lines = [line for line in map(Line.parse, raw) if line is not None and chosen.wants(line)]
    if tail is not None:
        lines = _last(lines, tail)
    pieces: list[bytes] = []
    for line in lines:
        if chosen.exhausted:
            break
        pieces.append(chosen.render(line))
    return _joined(pieces)


def _joined(pieces: list[bytes]) -> list[bytes]:
    whole = b"".join(pieces)
    return [whole[start : start + PIECE_BYTES] for start in range(0, len(whole), PIECE_BYTES)]


def _enough(files: list[Path], tail: int) -> list[Path]:
    """The newest files that hold at least `tail` lines."""
    count = 0
    for position in range(len(files) - 1, -1, -1):
        count += _count_lines(files[position])
        if count > tail:
            return files[position:]
    return files


def _count_lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def _complete_lines(path: Path, chosen: _Filter) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            data = file.read()
            chosen.inode = _inode(path)
    except OSError:
        return
    end = data.rfind(b"\n") + 1
    chosen.position = end
    yield from data[:end].splitlines()


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def _last(lines: list[Line], tail: int) -> list[Line]:
    """The last `tail` lines, pieces of one line counted as one."""
    if tail <= 0:
        return []
    start, seen = len(lines), 0
    while start > 0 and seen <= tail:
        start -= 1
        if not lines[start].partial:
            seen += 1
    return lines[start + 1 :] if seen > tail else lines


async def _follow(path: Path, chosen: _Filter, ended: Ended) -> AsyncIterator[bytes]:
    while True:
        # Asked before reading: what is written before the end is then surely read.
        over = await ended()
        pieces = await asyncio.to_thread(_news, path, chosen)
        for piece in pieces:
            yield piece
        if chosen.exhausted or (over and not pieces):
            return
        if not pieces:
            await asyncio.sleep(FOLLOW_S)


def _news(path: Path, chosen: _Filter) -> list[bytes]:
    """What came after the last position; a file that was rotated away is read to its end first."""
    inode = _inode(path)
    if inode != chosen.inode:
        previous = next((each for each in rotated(path) if _inode(each) == chosen.inode), None)
        pieces = _rest(previous, chosen) if previous is not None else []
        chosen.position, chosen.inode = 0, inode
        return pieces or (_rest(path, chosen) if inode else [])
    return _rest(path, chosen)


def _rest(path: Path, chosen: _Filter) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(chosen.position)
            data = file.read(16 * PIECE_BYTES)
    except OSError:
        return []
    end = data.rfind(b"\n") + 1
    chosen.position += end
    lines = [line for line in map(Line.parse, data[:end].splitlines()) if line is not None and chosen.wants(line)]
    return _joined([chosen.render(line) for line in lines])


def last_lines(path: Path, lines: int, limit_bytes: int) -> str:
    """The end of a log as text, for a termination message. Blocking."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4 * limit_bytes))
            raw = file.read().splitlines()
    except OSError:
        return ""
    texts = [line.text + (b"" if line.partial else b"\n") for line in map(Line.parse, raw) if line is not None]
    return b"".join(texts[-lines:])[-limit_bytes:].decode(errors="replace")
