"""Removing what a container has written: any depth, any names, links never followed, no mount point entered.

A folder's subfolders are moved up beside it before it is removed, so that neither depth nor the number of open files grows with
the tree. What lies on another mount stays and is reported: it is somebody's data. Blocking: called in a thread.
"""

import errno
import os
from itertools import count
from pathlib import Path

from pilothouse.engine.node.files.beneath import BENEATH, FOLDER, NO_CROSSING, NO_LINKS, open_beneath, opened

MOVED = "..removed-"


def remove_tree(folder: Path) -> list[str]:
    """Returns what could not be removed and why; empty when the folder is gone. folder: a path that no container can change."""
    try:
        parent = os.open(folder.parent, FOLDER)
    except FileNotFoundError:
        return []
    with opened(parent):
        return [f"{folder.parent / name}: {why}" for name, why in remove_entry(parent, folder.name)]


def remove_entry(parent: int, name: str) -> list[tuple[str, str]]:
    """Removes one entry of an open folder, whatever it is. Returns (name, why) of what stays."""
    try:
        return _Removal(parent).run(name)
    except OSError as error:
        return [(name, error.strerror or str(error))]


class _Removal:
    """parent: the open folder in which the tree lies and into which its branches are moved."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._kept: list[tuple[str, str]] = []
        self._numbers = count()

    def run(self, name: str) -> list[tuple[str, str]]:
        if not _unlinked(self._parent, name):
            left = [name]
            while left:
                left += self._remove_folder(left.pop())
        return self._kept

    def _remove_folder(self, name: str) -> list[str]:
        """Returns the names, beside it, of what were its subfolders."""
        moved: list[str] = []
        kept_before = len(self._kept)
        try:
            with opened(open_beneath(self._parent, name, FOLDER, resolve=BENEATH | NO_LINKS | NO_CROSSING)) as folder:
                # The names first: an entry must not be missed because others go while the folder is read.
                for entry in os.listdir(folder):
                    moved += self._remove_or_move(folder, entry, name)
            if len(self._kept) == kept_before:
                os.rmdir(name, dir_fd=self._parent)
        except FileNotFoundError:
            return moved
        except OSError as error:
            self._kept.append((name, "it is on another mount" if error.errno == errno.EXDEV else error.strerror or str(error)))
        return moved

    def _remove_or_move(self, folder: int, entry: str, name: str) -> list[str]:
        """The new name of a subfolder; nothing for a file, which is gone, and for what must stay."""
        fresh = f"{MOVED}{os.getpid()}-{id(self):x}-{next(self._numbers)}"
        try:
            if _unlinked(folder, entry):
                return []
            os.rename(entry, fresh, src_dir_fd=folder, dst_dir_fd=self._parent)
        except OSError as error:
            self._kept.append((f"{name}/{entry}", error.strerror or str(error)))
            return []
        return [fresh]


def _unlinked(folder: int, name: str) -> bool:
    """Removes anything but a folder. True: it is gone. A file that something is mounted upon raises OSError."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return True
    except (IsADirectoryError, PermissionError):
        if _is_folder(folder, name):
            return False
        raise
    return True


def _is_folder(folder: int, name: str) -> bool:
    try:
        os.close(open_beneath(folder, name, os.O_PATH | os.O_DIRECTORY))
    except OSError:
        return False
    return True
