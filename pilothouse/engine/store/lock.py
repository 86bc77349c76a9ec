"""One process at a time: an advisory lock beside the store.

On a file of its own, because closing any descriptor of the database file would drop SQLite's locks on it. The kernel frees
the lock when its holder ends, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pilothouse.engine.store.errors import StoreLocked, StoreUnusable


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of the store at `path`. Raises StoreLocked, or StoreUnusable when the directory takes no lock file."""
    descriptor = _open(path)
    try:
        _acquire(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreUnusable(path, f"The store {path} cannot be opened: {error.strerror}.") from error


def _acquire(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreLocked(path, os.pread(descriptor, 20, 0).decode(errors="replace").strip()) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # On a full disk the next opener only misses the number of the process.
