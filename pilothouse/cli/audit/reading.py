"""The events of an audit log in the order in which they were written, over all of its files, while the server goes on writing and rotating.

Source of the files' names and order: `engine.apiserver.audit.files`.
"""

import gzip
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from pilothouse.engine.apiserver.audit.files import CURRENT, Aside, aside
from pilothouse.model.json import Object

LOOKED_AT_EVERY_S = 0.3
_CHUNK = 1 << 20
_TOLD_BY_BYTES = 512
"""Of a file's beginning: it holds the first event's id and time."""


@dataclass
class Trail:
    """since: Unix time; older files are not read. unreadable: lines and files so far that could not be."""

    folder: Path
    since: float = 0.0
    unreadable: int = 0
    _seen: set[str] = field(default_factory=set)

    def events(self, *, follow: bool = False) -> Iterator[Object | None]:
        """follow: goes on for ever, with None whenever there is nothing more for the moment. Raises OSError for what may not be read."""
        current = self._current()
        yield from self._aside(current)
        while current is not None or follow:
            if current is not None:
                with current:
                    yield from self._lines(current, follow=follow)
            if not follow:
                return
            yield None
            time.sleep(LOOKED_AT_EVERY_S)
            current = self._current()
            yield from self._aside(current)

    def _current(self) -> BinaryIO | None:
        try:
            return (self.folder / CURRENT).open("rb")
        except FileNotFoundError:
            return None

    def _aside(self, current: BinaryIO | None) -> Iterator[Object]:
        """Of files put aside that have not been read; the open one may just have become one of them."""
        for each in aside(self.folder):
            if each.at in self._seen or (current is not None and _became(current, each)):
                continue
            self._seen.add(each.at)
            if each.time + 1 >= self.since:
                yield from self._of_aside(each)

    def _of_aside(self, each: Aside) -> Iterator[Object]:
        try:
            # It may be compressed between one look and the next.
            with suppress(FileNotFoundError):
                yield from self._of_file(each.path)
                return
            yield from self._of_file(each.path.with_name(f"{each.path.name}.gz"))
        except (EOFError, gzip.BadGzipFile, zlib.error, FileNotFoundError):
            self.unreadable += 1

    def _of_file(self, path: Path) -> Iterator[Object]:
        with path.open("rb") as plain:
            opened = gzip.GzipFile(fileobj=plain) if path.suffix == ".gz" else plain
            for line in opened:
                yield from self._event(line)

    def _lines(self, file: BinaryIO, *, follow: bool) -> Iterator[Object | None]:
        """Ends at the file's end, or, when following, once another has its name and all of it has been read."""
        rest = b""
        while True:
            while chunk := file.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield from self._event(line)
            if not follow:
                # What has no end yet is being written.
                return
            if not _is_same(self.folder / CURRENT, file):
                yield from self._remainder(file, rest)
                return
            if os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
                rest = b""
                continue
            yield None
            time.sleep(LOOKED_AT_EVERY_S)

    def _remainder(self, file: BinaryIO, rest: bytes) -> Iterator[Object]:
        """What was written between the last look and the rename. The file is one of those put aside, which need not be read again."""
        for line in (rest + file.read()).split(b"\n"):
            yield from self._event(line)
        self._seen.update(each.at for each in aside(self.folder) if each.at not in self._seen and _became(file, each))

    def _event(self, line: bytes) -> Iterator[Object]:
        if not line.strip():
            return
        try:
            event = orjson.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            yield event
        else:
            self.unreadable += 1


def _is_same(path: Path, file: BinaryIO) -> bool:
    try:
        named, opened = path.stat(), os.fstat(file.fileno())
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


def _became(file: BinaryIO, each: Aside) -> bool:
    """Whether an open file is the one that has been put aside. A compressed one is another file, which begins with the same event."""
    if not each.is_compressed:
        return _is_same(each.path, file)
    try:
        with gzip.open(each.path, "rb") as packed:
            start = packed.read(_TOLD_BY_BYTES)
    except (OSError, EOFError, zlib.error):
        return False
    return start == os.pread(file.fileno(), _TOLD_BY_BYTES, 0)


def latest(folder: Path, most_bytes: int = 256 << 10) -> Iterator[Object]:
    """Of the events of late, for completion: as much as is read at once."""
    with suppress(OSError), (folder / CURRENT).open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - most_bytes))
        for line in file.read(most_bytes).split(b"\n"):
            with suppress(ValueError):
                event = orjson.loads(line)
                if isinstance(event, dict):
                    yield event
