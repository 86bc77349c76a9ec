"""First starts on one machine take turns.

Each looks for ports and networks that nobody has, and has them itself only once its processes listen: two that look at the same time
choose the same.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.cli import output

LOCK = Path("/run/lock/pilothouse-first-start.lock")
PATIENCE_S = 120.0
"""A first start that takes longer, or is stopped, holds up nobody else for good: the next one goes on beside it."""
POLL_S = 0.1


@contextmanager
def first_start(lock: Path = LOCK, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold the machine's lock of first starts, which the kernel frees when its holder ends, however it ends.

    Where the lock cannot be had (no such folder, no right to it, no patience left) the start goes on without.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        _wait(descriptor, time.monotonic() + patience_s)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, deadline: float) -> None:
    has_said = False
    while not _acquired(descriptor) and time.monotonic() < deadline:
        if not has_said:
            output.note("another instance is being started for the first time: waiting until it has its ports and networks")
            has_said = True
        time.sleep(POLL_S)


def _acquired(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
