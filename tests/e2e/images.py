"""Images made from packages, which take a minute each: those that are there already are copied into the registry of a new instance."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

FOLDER = "PILOTHOUSE_TEST_IMAGES"
"""Variable of the environment: a registry's storage that is kept between runs, for people who run one test again and again."""
_STORAGE = Path("registry/storage")
_BELOW = Path("docker/registry/v2")


def give(home: Path, made: Path | None = None) -> None:
    """To an instance that has not been started yet. made: the home of one that may run; nothing happens where neither has any."""
    kept = os.environ.get(FOLDER)
    source = Path(kept) if kept else made / _STORAGE if made is not None else None
    if source is not None and (source / _BELOW).is_dir():
        _copy(source / _BELOW, home / _STORAGE / _BELOW)


def _copy(source: Path, target: Path) -> None:
    """Of a registry that may take in another image meanwhile: what its names lead to is there before them, so names are read first."""
    for part in ("repositories", "blobs"):
        shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("_uploads"), copy_function=_copy_file)


def _copy_file(source: str, target: str) -> str:
    """A blob never changes once it is there, so that it needs no room of its own."""
    if source.endswith("/data"):
        with suppress(OSError):  # on another file system
            os.link(source, target)
            return target
    return shutil.copy2(source, target)
