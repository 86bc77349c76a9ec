"""Paths of the node itself as volumes, checked or made as their type says. Blocking: called in a thread."""

import stat
from pathlib import Path

from pilothouse.engine.node.volumes.projection import VolumeMissing

TYPE_CHECKS = {
    "Directory": ("a directory", stat.S_ISDIR),
    "File": ("a file", stat.S_ISREG),
    "Socket": ("a socket file", stat.S_ISSOCK),
    "CharDevice": ("a character device", stat.S_ISCHR),
    "BlockDevice": ("a block device", stat.S_ISBLK),
}


def host_path(path: str, kind: str) -> Path:
    """A path of the node itself, checked or made as its type says. Raises VolumeMissing."""
    target = Path(path)
    if kind == "DirectoryOrCreate":
        target.mkdir(mode=0o755, parents=True, exist_ok=True)
        kind = "Directory"
    elif kind == "FileOrCreate":
        if not target.exists():
            target.touch(mode=0o644)
        kind = "File"
    if not kind:
        # A missing path becomes a folder, as container engines have always done it.
        if not target.exists():
            target.mkdir(mode=0o755, parents=True, exist_ok=True)
        return target
    wanted, matches = TYPE_CHECKS[kind]
    if not target.exists() or not matches(target.stat().st_mode):
        raise VolumeMissing(f"hostPath type check failed: {path} is not {wanted}")
    return target
