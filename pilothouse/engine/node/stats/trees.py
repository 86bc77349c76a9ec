"""How much a tree of files takes, counted as `du` does: blocks, each file once, other mounts left out.

Who writes the tree may change it meanwhile: links are never followed, and what is not a folder any more is passed over. The walk is
bounded (`MOST_ENTRIES`, `DEEPEST`): a tree beyond is counted as far as the walk has come. Blocking, for a thread; it rests now and
then, so that the interpreter is there for others.
"""

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from pilothouse.engine.node.files.beneath import BENEATH, FOLDER, NO_CROSSING, NO_LINKS, open_beneath
from pilothouse.engine.node.stats.figures import Disk

MOST_ENTRIES, DEEPEST = 1_000_000, 512
_BLOCK = 512
_REST_EVERY, _REST_S = 500, 0.002


def measure(folder: Path, most: int = MOST_ENTRIES) -> Disk | None:
    """None when it is not there."""
    try:
        top = os.open(folder, FOLDER | os.O_NOFOLLOW)
    except OSError:
        return None
    return _Walk(most).of(top)


class _Walk:
    def __init__(self, most: int) -> None:
        self._left = most
        self._bytes = self._inodes = 0
        self._linked: set[int] = set()

    def of(self, top: int) -> Disk:
        """Closes what it is given."""
        self._note(os.fstat(top))
        levels = [(top, self._folders(top))]
        try:
            while levels:
                folder, names = levels[-1]
                if not names or self._left <= 0:
                    os.close(levels.pop()[0])
                    continue
                name = names.pop()
                child = _opened(folder, name) if len(levels) < DEEPEST else None
                if child is not None:
                    levels.append((child, self._folders(child)))
        finally:
            for folder, _ in levels:
                os.close(folder)
        return Disk(self._bytes, self._inodes)

    def _folders(self, folder: int) -> list[str]:
        """Counts what is in a folder; returns the names of its subfolders."""
        found: list[str] = []
        try:
            entries = os.scandir(folder)
        except OSError:
            return found
        with entries:
            for entry in entries:
                if self._left <= 0:
                    break
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    self._note(status)
                    if stat.S_ISDIR(status.st_mode):
                        found.append(entry.name)
        return found

    def _note(self, status: os.stat_result) -> None:
        self._left -= 1
        if self._left % _REST_EVERY == 0:
            time.sleep(_REST_S)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            if status.st_ino in self._linked:
                return
            self._linked.add(status.st_ino)
        self._bytes += status.st_blocks * _BLOCK
        self._inodes += 1


def _opened(folder: int, name: str) -> int | None:
    try:
        return open_beneath(folder, name, FOLDER, resolve=BENEATH | NO_LINKS | NO_CROSSING)
    except OSError:
        return None
