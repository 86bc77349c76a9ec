"""Which pods have a block volume: each has a link to the volume's file, or to the device that it is, in its own folder.

The links are what outlives an agent that is killed; a container gets the device that the file has when it is made. Blocking: called in
a thread.
"""

import os
from contextlib import suppress
from pathlib import Path

KIND = "kubernetes.io~local-volume"
"""The folder of a pod's volumes of claims, as upstream names such folders."""
FOLDER = "volumeDevices"
"""Below a pod's folder; in it a folder for the kind, and a link for each volume."""


def link_of(pod: Path, kind: str, name: str) -> Path:
    """pod: the pod's folder. name: of the volume in the pod."""
    return pod / FOLDER / kind / name


def link(path: Path, target: Path) -> None:
    """May be repeated. Raises OSError."""
    with suppress(FileNotFoundError):
        if os.readlink(path) == str(target):
            return
        path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def targets_of(pod: Path) -> list[Path]:
    """What the pod has as devices."""
    return [Path(os.readlink(each)) for each in (pod / FOLDER).glob("*/*") if each.is_symlink()]


def users_of(pods: Path, target: Path, beside: str = "") -> list[str]:
    """Uids of the pods that have it, without the one `beside`. pods: the folder of the node's pods."""
    found = set()
    for each in pods.glob(f"*/{FOLDER}/*/*"):
        with suppress(OSError):
            if os.readlink(each) == str(target):
                found.add(each.relative_to(pods).parts[0])
    return sorted(found - {beside})
