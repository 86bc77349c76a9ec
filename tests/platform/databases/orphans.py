"""What a test process leaves behind when it is killed is ended and removed by a process beside it.

That one reads from a pipe, whose end it sees whatever the test process has died of.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

KEEP, REMOVE = "keep", "remove"
ENDED_S = 10.0


def end_with_us(folder: Path, *, is_removed: bool = False) -> None:
    """Have all processes that name the folder, in their arguments or their environment, end when this process does.

    is_removed: whether the folder goes then, too.
    """
    watcher = _watcher()
    assert watcher.stdin is not None
    watcher.stdin.write(f"{REMOVE if is_removed else KEEP} {folder}\n".encode())
    watcher.stdin.flush()


@functools.cache
def _watcher() -> "subprocess.Popen[bytes]":
    """In a session of its own: a signal to the group of the test process is not for it."""
    return subprocess.Popen([sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, start_new_session=True)


def main() -> None:
    orders = [line.rstrip("\n").partition(" ") for line in sys.stdin]
    _end([folder.encode() for _, _, folder in orders])
    for what, _, folder in orders:
        if what == REMOVE:
            shutil.rmtree(folder, ignore_errors=True)


def _end(marks: list[bytes]) -> None:
    """Again until there is none: one that is being killed may start another."""
    end = time.monotonic() + ENDED_S
    while time.monotonic() < end and (found := [pid for pid in _others() if any(mark in _said(pid) for mark in marks)]):
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _others() -> list[int]:
    return [pid for folder in Path("/proc").glob("[0-9]*") if (pid := int(folder.name)) != os.getpid()]


def _said(pid: int) -> bytes:
    """Arguments and environment; nothing of one that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    return b""


if __name__ == "__main__":
    main()
