"""Files that change all at once: the `..data` link of ConfigMap, Secret, projected and downward API volumes.

A reader sees the old set or the new set, never a mixture: the set is written into a fresh folder and one rename of the link makes
it current. Paths that users see are links through `..data`. Blocking: called in a thread.
Source: kubernetes/pkg/volume/util/atomic_writer.go.
"""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = "..data"


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int = 0o644
    uid: int = -1


def write_payload(folder: Path, files: Mapping[str, File], group: int | None = None) -> bool:
    """Makes `folder` hold exactly these files (relative path -> file). group: owns them and may read them. True: something changed."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / DATA
    if current.is_symlink() and _holds(current.resolve(), files):
        return False
    old = os.readlink(current) if current.is_symlink() else ""
    fresh = _fresh(folder)
    for name, file in files.items():
        _write(fresh, name, file, group)
    _own(fresh, group)
    link = folder / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(current)
    _link_paths(folder, files)
    if old:
        shutil.rmtree(folder / old, ignore_errors=True)
    return True


def _fresh(folder: Path) -> Path:
    now = time.time()
    name = time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}"
    fresh = folder / name
    fresh.mkdir(mode=0o755)
    return fresh


def _write(fresh: Path, name: str, file: File, group: int | None) -> None:
    target = fresh / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.content)
    target.chmod(file.mode | (0o440 if group is not None else 0))
    if file.uid != -1 or group is not None:
        os.chown(target, file.uid, -1 if group is None else group)


def _own(fresh: Path, group: int | None) -> None:
    if group is None:
        return
    for folder, _, _ in os.walk(fresh):
        os.chown(folder, -1, group)


def _holds(folder: Path, files: Mapping[str, File]) -> bool:
    present = {str(Path(where, name).relative_to(folder)) for where, _, names in os.walk(folder) for name in names}
    return present == set(files) and all((folder / name).read_bytes() == file.content for name, file in files.items())


def _link_paths(folder: Path, files: Mapping[str, File]) -> None:
    """Top-level names as links through `..data`; those of files that are gone go."""
    wanted = {name.partition("/")[0] for name in files}
    for entry in os.listdir(folder):
        if not entry.startswith("..") and entry not in wanted:
            (folder / entry).unlink(missing_ok=True)
    for name in wanted:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
