"""`subPath`: a part of a volume, opened once and bound to a path that no container can reach; that path goes to the runtime.

A container that shares the volume may swap folders for links at any moment: what the kernel opened below the volume is what is
mounted, whatever its path names a moment later. The binding lasts until the next start of the container or the pod's removal;
it lives in the kernel, so an agent that starts anew finds it. Blocking: called in a thread.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path

from pilothouse.engine.node.files import mountpoints
from pilothouse.engine.node.files.beneath import BENEATH, FOLDER, open_beneath, opened
from pilothouse.engine.node.pod.environment import ConfigMissing


def bind_subpath(volume: Path, path: str, target: Path) -> Path:
    """Returns `target`, where the part of the volume is. A part that is absent becomes a folder like the volume's own.

    target: below the pod's own folder. Raises ConfigMissing for a path that leads out of the volume or cannot be had.
    """
    try:
        with opened(os.open(volume, FOLDER)) as root, opened(_open_or_make(root, path)) as found:
            place(target, is_folder=stat.S_ISDIR(os.fstat(found).st_mode))
            mountpoints.bind(found, target)
    except OSError as error:
        why = "leaves its volume" if error.errno in (errno.EXDEV, errno.ELOOP) else f"cannot be mounted: {error.strerror}"
        raise ConfigMissing(f"subPath {path!r} {why}") from error
    return target


def _open_or_make(root: int, path: str) -> int:
    """Links are followed as long as they stay inside the volume: the paths of ConfigMaps are such links."""
    if ".." in Path(path).parts or path.startswith("/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    with contextlib.suppress(FileNotFoundError):
        return open_beneath(root, path, os.O_PATH, resolve=BENEATH)
    _make(root, path)
    return open_beneath(root, path, os.O_PATH, resolve=BENEATH)


def _make(root: int, path: str) -> None:
    """Folders with the volume's mode and group, each made inside one that is open."""
    like = os.fstat(root)
    parts = Path(path).parts
    here = os.dup(root)
    try:
        for depth, name in enumerate(parts):
            try:
                os.mkdir(name, 0o700, dir_fd=here)
            except FileExistsError:
                below = open_beneath(root, "/".join(parts[: depth + 1]), FOLDER, resolve=BENEATH)
            else:
                below = _made(here, name, like)
            os.close(here)
            here = below
    finally:
        os.close(here)


def _made(parent: int, name: str, like: os.stat_result) -> int:
    made = open_beneath(parent, name, FOLDER)
    os.fchown(made, -1, like.st_gid)
    os.fchmod(made, stat.S_IMODE(like.st_mode))
    return made


def place(target: Path, *, is_folder: bool) -> None:
    """An empty folder or file to mount upon; what an earlier start has mounted there goes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    mountpoints.unmount(target)
    if target.exists() and target.is_dir() != is_folder:
        target.rmdir() if target.is_dir() else target.unlink()
    target.mkdir(exist_ok=True) if is_folder else target.touch()
