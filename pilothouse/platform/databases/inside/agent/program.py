"""The agent's own program: a file that is replaced when the platform is, and is started anew then, in the same process."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

_TRIAL = "import sys; sys.path.insert(0, sys.argv[1]); import pilothouse.platform.databases.inside.agent.main"
"""Loads all modules of a program and does nothing."""


class Program:
    """digest: of the program that runs. Its modules are all loaded at the start, so a file that changes under it changes nothing in it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version = _version(file)
        self.digest = _digest(file)
        self._trial: subprocess.Popen[bytes] | None = None

    def is_replaced(self) -> bool:
        """Whether another whole program lies there now, and can be loaded. Waits for nothing: that it can is known at a later call."""
        if self._trial is not None:
            return self._has_passed(self._trial)
        version = _version(self._file)
        if version != self._version and zipfile.is_zipfile(self._file):
            self._version = version
            if _digest(self._file) != self.digest:
                self._trial = subprocess.Popen([sys.executable, "-I", "-c", _TRIAL, str(self._file)], stdin=subprocess.DEVNULL)
        return False

    def _has_passed(self, trial: "subprocess.Popen[bytes]") -> bool:
        code = trial.poll()
        if code is None:
            return False
        self._trial = None
        if code:
            sys.stderr.write("the agent's new program cannot be loaded: it goes on with the one that it has\n")
        return code == 0 and _version(self._file) == self._version

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
