"""The folder of manifests, looked at again and again: what has changed is taken once it has been the same twice.

Blocking: called in a thread. Files whose names begin with a dot are left out, as are folders.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node.static.manifest import Manifest, ManifestError, parse

MOST_FILES, MOST_BYTES = 256, 1024 * 1024
Signature = tuple[int, int, int]
"""Inode, size, time of the last change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Read:
    """One file as it was taken: a manifest, or why it is none."""

    signature: Signature
    manifest: Manifest | None
    problem: str = ""


class Folder:
    """files: by name, as they were taken."""

    def __init__(self, path: Path, node_name: str) -> None:
        self._path = path
        self._node_name = node_name
        self.files: dict[str, Read] = {}
        self._changing: dict[str, Signature | None] = {}
        self._is_first = True
        self._changed_at = 0

    def is_settled(self) -> bool:
        """Whether nothing seems to have changed since the last look. A few system calls: for the event loop, many times a look.

        A file that came in the same moment as that look may be missed: so `look` is called now and then in any case.
        """
        if self._changing or self._is_first or self._changed_at != _changed_at(self._path):
            return False
        return all(_signature(self._path / name) == read.signature for name, read in self.files.items())

    def look(self) -> None:
        """Takes what is new, changed or gone; the first time at once. A folder that cannot be read leaves everything as it is."""
        changed_at = _changed_at(self._path)
        try:
            found = self._signatures()
        except FileNotFoundError:
            found = {}
        except OSError:
            return
        changing: dict[str, Signature | None] = {}
        for name in found.keys() | self.files.keys():
            known, signature = self.files.get(name), found.get(name)
            if known is not None and known.signature == signature:
                continue
            # A file is often written in pieces, or away for a moment while its editor replaces it.
            if self._is_first or (name in self._changing and self._changing[name] == signature):
                self._take(name, signature)
            else:
                changing[name] = signature
        self._changing, self._is_first, self._changed_at = changing, False, changed_at

    def _signatures(self) -> dict[str, Signature]:
        names = sorted(name for name in os.listdir(self._path) if not name.startswith("."))
        found: dict[str, Signature] = {}
        for name in names:
            signature = _signature(self._path / name)
            if signature is not None:
                found[name] = signature
        return found

    def _take(self, name: str, signature: Signature | None) -> None:
        if signature is None:
            self.files.pop(name, None)
            return
        if name not in self.files and len(self.files) >= MOST_FILES:
            self.files[name] = Read(signature, None, f"there are more than {MOST_FILES} manifests; take some away")
            return
        try:
            self.files[name] = Read(signature, parse(name, _content(self._path / name), self._node_name))
        except ManifestError as error:
            self.files[name] = Read(signature, None, str(error))
        except OSError as error:
            self.files[name] = Read(signature, None, f"it cannot be read: {error.strerror}")


def _changed_at(folder: Path) -> int:
    """When a file last came or went, in nanoseconds; 0 for a folder that is not there."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _signature(path: Path) -> Signature | None:
    """None for a folder, and for what cannot be looked at."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return None if stat.S_ISDIR(seen.st_mode) else (seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _content(path: Path) -> bytes:
    """Raises ManifestError, OSError."""
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ManifestError("it is no ordinary file")
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ManifestError(f"it is larger than {MOST_BYTES // 1024} KiB")
    return data
