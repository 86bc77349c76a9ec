"""Appends whole lines to an audit log's current file, and puts it aside when it is large, or of another day (UTC).

Others may move, empty or remove the file at any time, as logrotate does: before each append it is made sure that the file of that name
is the one that is open. Used by one thread at a time; every method may raise OSError, and may be called again after it.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pilothouse.engine.apiserver.audit.files import CURRENT, FOLDER_MODE, MODE, Bounds, put_aside

_DAY_S = 86400


class RotatingFile:
    def __init__(self, folder: Path, bounds: Bounds, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._path = folder / CURRENT
        self._bounds = bounds
        self._clock = clock
        self._fd = -1
        self._day = 0

    def append(self, lines: bytes) -> bool:
        """All of the lines are in one file, or none of them. Whether an earlier file has been put aside."""
        size = self._open()
        is_due = size > 0 and (size + len(lines) > self._bounds.largest_bytes or self._day != self._today())
        if is_due:
            put_aside(self.folder, self._clock())
            size = self._open()
        try:
            self._write(lines)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, size)
            raise
        return is_due

    def sync(self) -> None:
        """Returns once what has been appended is on disk."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _open(self) -> int:
        """The size of the file that is open afterwards: the one that has the name."""
        if self._fd >= 0:
            opened = os.fstat(self._fd)
            with suppress(FileNotFoundError):
                named = self._path.stat()
                if (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino):
                    return opened.st_size
            self.close()
        return self._open_anew()

    def _open_anew(self) -> int:
        with suppress(FileExistsError):  # Of something else than a folder, opening below it says more.
            self.folder.mkdir(mode=FOLDER_MODE, parents=True)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
        found = os.fstat(self._fd)
        self._day = int(found.st_mtime) // _DAY_S if found.st_size else self._today()
        if found.st_size and os.pread(self._fd, 1, found.st_size - 1) != b"\n":
            # The end of a process that was killed in the middle of a line: the next line must not become part of it.
            self._write(b"\n")
            return found.st_size + 1
        return found.st_size

    def _today(self) -> int:
        return int(self._clock()) // _DAY_S
