"""Which user and group ids of the machine the pods with user namespaces of their own have: 65536 each, no two pods the same.

A pod's range lies in a file of its folder, so that it is its own until the pod is gone, whatever becomes of the agent. Instances on
one machine take theirs from different parts. Blocking: called in a thread.
"""

import hashlib
import threading
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig

LENGTH = 65536
FILE = "user-namespace"
_FIRST, _PARTS, _RANGES = 1 << 30, 64, 256
"""Ids from 2^30 on, which no account of a machine has by custom, divided into parts of as many ranges."""
_lock = threading.Lock()


def claim(config: NodeConfig, uid: str) -> int:
    """The id on the machine of the pod's user 0. Raises OSError."""
    with _lock:
        own = config.pod_dir(uid) / FILE
        known = _read(own)
        if known:
            return known
        taken = {_read(folder / FILE) for folder in config.pods_dir.iterdir()}
        part = int(hashlib.sha256(config.instance.encode()).hexdigest(), 16) % _PARTS
        first = _FIRST + part * _RANGES * LENGTH
        free = next((start for start in range(first, first + _RANGES * LENGTH, LENGTH) if start not in taken), None)
        if free is None:
            raise OSError(f"all {_RANGES} ranges of user ids are taken by other pods")
        own.parent.mkdir(parents=True, exist_ok=True)
        draft = own.with_name(FILE + ".new")
        draft.write_text(str(free))
        draft.replace(own)
        return free


def _read(path: Path) -> int:
    """0: there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def unsearchable(path: Path) -> Path | None:
    """The first folder on the way to a path that users of no rights cannot pass, as those of a user namespace have to."""
    for folder in (*reversed(path.parents), path):
        if folder.exists() and not folder.stat().st_mode & 0o001:
            return folder
    return None
