"""The agent's own program: a file that is replaced when the platform is, and is started anew then, in the same process."""

import hashlib
import os
import sys
import zipfile
from pathlib import Path


class Program:
    """digest: of the program that runs. Its modules are all loaded at the start, so a file that changes under it changes nothing in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version = _version(file)
        self.digest = _digest(file)

    def is_replaced(self) -> bool:
        """Whether another whole program lies there now."""
        version = _version(self._file)
        if version == self._version or not zipfile.is_zipfile(self._file):
            return False
        self._version = version
        return _digest(self._file) != self.digest

    def start_anew(self) -> None:
        """Does not return. Connections end; the server goes on and is found again. Raises OSError."""
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 -- the very command that this process was started with


def _version(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:10] if file.is_file() else ""
