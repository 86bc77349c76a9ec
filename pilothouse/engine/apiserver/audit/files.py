"""The files of an audit log: one that is written, and those before it, whose names carry the time at which each was put aside.

    audit.log                               appended to
    audit-2026-11-28T00-00-00.000.log       put aside, about to be compressed
    audit-2026-11-27T00-00-00.000.log.gz    put aside and compressed

Files are put aside by renaming and compressed beside themselves, so that at every moment each line is in exactly one file that counts:
a compressed file has its name only once it is whole, and counts before the plain one that it was made of.
"""

import gzip
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

CURRENT = "audit.log"
MODE, FOLDER_MODE = 0o600, 0o700
_ASIDE = re.compile(r"audit-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3,})\.log(\.gz)?")
_DRAFT = ".new"
_DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """largest_bytes: of the file that is written. count: of files aside. days: that one aside is kept, at least one."""

    largest_bytes: int = 50 << 20
    count: int = 10
    days: int = 30


@dataclass(frozen=True, slots=True)
class Aside:
    """A file that has been put aside. at: when, as its name has it."""

    path: Path
    at: str

    @property
    def is_compressed(self) -> bool:
        return self.path.suffix == ".gz"

    @property
    def time(self) -> float:
        return _time(self.at)


def _time(at: str) -> float:
    """Raises ValueError."""
    return datetime.strptime(at[:19], "%Y-%m-%dT%H-%M-%S").replace(tzinfo=UTC).timestamp()


def _is_time(at: str) -> bool:
    """A file of somebody's that only looks like one of these is left alone: it must not keep the others from being removed."""
    try:
        _time(at)
    except ValueError:
        return False
    return True


def aside(folder: Path) -> list[Aside]:
    """The files put aside that count, the oldest first."""
    found: dict[str, Aside] = {}
    for path in folder.glob("audit-*.log*"):
        name = _ASIDE.fullmatch(path.name)
        if name is not None and _is_time(name[1]) and (name[2] or name[1] not in found):
            found[name[1]] = Aside(path, name[1])
    return [found[at] for at in sorted(found)]


def put_aside(folder: Path, now: float) -> None:
    """Rename the current file. Raises OSError."""
    taken = {each.at for each in aside(folder)}
    shown = datetime.fromtimestamp(now, UTC)
    at = f"{shown:%Y-%m-%dT%H-%M-%S}.{shown.microsecond // 1000:03}"
    while at in taken:
        at += "0"
    (folder / CURRENT).rename(folder / f"audit-{at}.log")


def tidy(folder: Path, bounds: Bounds, now: float) -> None:
    """Compress what has been put aside and remove what is beyond the bounds. What fails is tried again at the next call."""
    kept = aside(folder)
    for each in kept[: max(0, len(kept) - bounds.count)]:
        _remove(each)
    for each in kept[max(0, len(kept) - bounds.count) :]:
        if each.time < now - bounds.days * _DAY_S:
            _remove(each)
        else:
            with suppress(OSError):
                _compress(each)


def _remove(each: Aside) -> None:
    plain = each.path.with_suffix("") if each.is_compressed else each.path
    for path in (plain, plain.with_name(f"{plain.name}.gz")):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _compress(each: Aside) -> None:
    if each.is_compressed:
        each.path.with_suffix("").unlink(missing_ok=True)
        return
    whole = each.path.with_name(f"{each.path.name}.gz")
    draft = whole.with_name(f"{whole.name}{_DRAFT}")
    draft.unlink(missing_ok=True)
    try:
        with each.path.open("rb") as source, _private(draft) as target:
            with gzip.GzipFile(filename="", mode="wb", fileobj=target, mtime=0, compresslevel=6) as packed:
                shutil.copyfileobj(source, packed, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(whole)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    each.path.unlink(missing_ok=True)


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb")
