"""Where tests keep what takes long to fetch or to make: below the user's cache folder, by the hash of what it is made from.

A later run, also one of another clone, finds it there; removing the folder costs time and nothing else.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The file of that name, which must tell its content. make: writes a file at the path it gets; one process at a time makes it."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilothouse-tests"
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / name
    if found.exists():
        return found
    with _turn(folder / f"{name}.lock"):
        if not found.exists():
            half = folder / f"{name}.half"
            make(half)
            half.replace(found)
    return found


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
