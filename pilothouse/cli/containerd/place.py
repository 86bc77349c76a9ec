"""Where a later containerd is kept: beside Pilothouse's Python packages, so that it goes with them, and every instance shares it."""

import sys
import time
from contextlib import suppress
from pathlib import Path

AGAIN_S = 24 * 3600.0
"""After a failure. Meanwhile a start neither waits for the network nor says the same again."""


def kept(prefix: str = sys.prefix) -> Path:
    """Absolute. prefix: of the Python environment that Pilothouse is installed in."""
    return Path(prefix, "lib", "pilothouse", "containerd").absolute()


def failed_lately(folder: Path) -> bool:
    try:
        return 0 <= time.time() - _failure(folder).stat().st_mtime < AGAIN_S
    except OSError:
        return False


def note_failure(folder: Path) -> None:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _failure(folder).touch()


def forget_failure(folder: Path) -> None:
    with suppress(OSError):
        _failure(folder).unlink(missing_ok=True)


def _failure(folder: Path) -> Path:
    # scripts/setup looks for this name.
    return folder / "not-fetched"
