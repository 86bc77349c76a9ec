"""Files that change all at once: the `..data` link of ConfigMap, Secret, projected and downward API volumes.

A reader sees the old set or the new set, never a mixture: the set is written into a fresh folder and one rename of the link makes
it current. Paths that users see are links through `..data`. What the current set is stands beside the volume, where no container
sees it: what is found inside is never believed, only replaced, and only names that are made here are removed.
Blocking: called in a thread. Source: kubernetes/pkg/volume/util/atomic_writer.go.
"""

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node.files.beneath import FOLDER, open_beneath, opened, subfolder
from pilothouse.engine.node.files.removal import MOVED, remove_entry

DATA, NEW_DATA = "..data", "..data_tmp"
_OURS = re.compile(rf"\.\.\d{{4}}(_\d\d){{5}}\.\d{{9}}|{re.escape(MOVED)}.*")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    mode: int = 0o644
    uid: int = -1


def write_payload(folder: Path, files: Mapping[str, File], group: int | None = None) -> bool:
    """Makes `folder` hold exactly these files (relative path -> file). group: owns them and may read them. True: something changed.

    The folder's parent is the node's alone: the record of the current set is written there. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _fingerprint(files, group)
    record = _record(folder)
    with opened(os.open(folder, FOLDER | os.O_NOFOLLOW)) as volume:
        if record.exists() and _is_current(volume, record.read_text(), wanted):
            return False
        name = _fresh_name()
        with opened(subfolder(volume, name)) as fresh:
            for path, file in files.items():
                _write(fresh, path, file, group)
            _own(fresh, group)
        _make_current(volume, name)
        record.write_text(f"{wanted} {name}")
        _link_paths(volume, {path.partition("/")[0] for path in files})
        _remove_other_sets(volume, name)
    return True


def is_written(folder: Path) -> bool:
    """Whether the volume has been filled before, in this life of the machine."""
    return _record(folder).exists()


def _record(folder: Path) -> Path:
    # Volumes are named by DNS labels, so that no name of a volume begins with a dot.
    return folder.with_name(f".{folder.name}.current")


def _fingerprint(files: Mapping[str, File], group: int | None) -> str:
    digest = hashlib.sha256(str(group).encode())
    for path, file in sorted(files.items()):
        digest.update(f"\0{path}\0{file.mode}\0{file.uid}\0{len(file.content)}\0".encode())
        digest.update(file.content)
    return digest.hexdigest()


def _is_current(volume: int, recorded: str, wanted: str) -> bool:
    """Whether the set that was recorded is the wanted one, and the link still leads to it."""
    fingerprint, _, name = recorded.partition(" ")
    if fingerprint != wanted or _target(volume, DATA) != name:
        return False
    with contextlib.suppress(OSError), opened(open_beneath(volume, name, FOLDER)):
        return True
    return False


def _fresh_name() -> str:
    now = time.time()
    return time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime(now)) + f".{int(now % 1 * 1e9):09d}"


def _write(fresh: int, path: str, file: File, group: int | None) -> None:
    *parents, name = path.split("/")
    with contextlib.ExitStack() as stack:
        folder = fresh
        for parent in parents:
            folder = stack.enter_context(opened(subfolder(folder, parent)))
            _own(folder, group)
        descriptor = open_beneath(folder, name, _NEW_FILE, mode=0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(file.content)
            if file.uid != -1 or group is not None:
                os.fchown(descriptor, file.uid, -1 if group is None else group)
            os.fchmod(descriptor, file.mode | (0o440 if group is not None else 0))


def _own(folder: int, group: int | None) -> None:
    os.fchmod(folder, 0o755)
    if group is not None:
        os.fchown(folder, -1, group)


def _make_current(volume: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(NEW_DATA, dir_fd=volume)
    os.symlink(name, NEW_DATA, dir_fd=volume)
    os.rename(NEW_DATA, DATA, src_dir_fd=volume, dst_dir_fd=volume)


def _link_paths(volume: int, wanted: set[str]) -> None:
    """Top-level names as links through `..data`; links to files that are gone go."""
    for entry in os.listdir(volume):
        if entry not in wanted and _target(volume, entry) == f"{DATA}/{entry}":
            os.unlink(entry, dir_fd=volume)
    for name in wanted:
        found = _target(volume, name)
        if found == f"{DATA}/{name}":
            continue
        if found:
            os.unlink(name, dir_fd=volume)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            # An empty folder stands where a container mounted the path before there was such a file.
            os.rmdir(name, dir_fd=volume)
        os.symlink(f"{DATA}/{name}", name, dir_fd=volume)


def _target(volume: int, name: str) -> str:
    """Where a link leads; "" for what is no link or not there."""
    try:
        return os.readlink(name, dir_fd=volume)
    except OSError:
        return ""


def _remove_other_sets(volume: int, current: str) -> None:
    """Sets of before, those that an interrupted change left included."""
    for entry in os.listdir(volume):
        if entry != current and _OURS.fullmatch(entry):
            remove_entry(volume, entry)
