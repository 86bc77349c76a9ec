"""What lies in the folder of a volume, and what each part says. All that is known of a volume is here, so that nothing is remembered.

    image     the volume's content: a file system, or the bare device of a block volume; it appears whole or not at all
    size      how large the file system has been made or grown, in bytes
    mode      `Block` for a block volume; not there for a file system
    limits    how much it may be read and written in a second; not there for as much as one likes
    new       it is not known yet that the cluster has a PersistentVolume of it
    frozen    its file system is held still for a copy, or was when the agent was killed
    mount     where the file system is mounted

Snapshots lie beside the volumes, in folders of their own (`snapshots`). Blocking: called in a thread.
"""

import errno
from pathlib import Path

from pilothouse.engine.node.files import durable
from pilothouse.engine.node.files.mountpoints import device_of, is_mounted, mounts_of, unmount_idle
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.local_volumes import loops
from pilothouse.engine.node.local_volumes.users import users_of
from pilothouse.model.digits import natural
from pilothouse.model.errors import Conflict
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import dumps, loads
from pilothouse.model.volumes import BLOCK, FILESYSTEM


def image_of(folder: Path) -> Path:
    return folder / "image"


def mount_point(folder: Path) -> Path:
    return folder / "mount"


def frozen_mark(folder: Path) -> Path:
    return folder / "frozen"


def new_mark(folder: Path) -> Path:
    return folder / "new"


def mode_of(folder: Path) -> str:
    return BLOCK if (folder / "mode").exists() else FILESYSTEM


def note_mode(folder: Path, mode: str) -> None:
    if mode == BLOCK:
        durable.write(folder / "mode", BLOCK.encode())


def note_size(folder: Path, size_bytes: int) -> None:
    durable.write(folder / "size", str(size_bytes).encode())


def noted_size(folder: Path) -> int:
    """The size that the volume has been made or grown for; 0 for one that is not known."""
    try:
        return natural((folder / "size").read_text()) or 0
    except FileNotFoundError:
        return 0


def note_limits(folder: Path, limits: IoLimits) -> None:
    durable.write(folder / "limits", dumps({"iops": limits.iops, "bytesPerSecond": limits.bytes_per_s}))


def noted_limits(folder: Path) -> IoLimits | None:
    """None for a volume that has never been limited."""
    try:
        found = loads((folder / "limits").read_bytes())
    except FileNotFoundError:
        return None
    return IoLimits(found["iops"], found["bytesPerSecond"])


def open_folder(folder: Path) -> None:
    # Volumes are writable for everybody in their containers; on the node nobody but root gets as far as to them.
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o750)


def data_of(point: Path) -> Path:
    """Appears with its mode or not at all: whose it is afterwards is the pods' to say."""
    data, fresh = point / "data", point / "data.new"
    if not data.exists():
        fresh.mkdir(exist_ok=True)
        fresh.chmod(0o777)
        fresh.rename(data)
    return data


def remove(folder: Path, pods: Path) -> None:
    """pods: the folder of the node's pods. Raises Conflict while somebody uses the volume, OSError."""
    if not folder.exists():
        return
    let_go(folder, pods)
    if left := remove_tree(folder):
        raise OSError(errno.EBUSY, "; ".join(left))


def let_go(folder: Path, pods: Path) -> None:
    """Mounted nowhere and on no device any more. Raises Conflict while somebody uses it, OSError."""
    file, point = image_of(folder), mount_point(folder)
    if users := users_of(pods, file):
        raise Conflict(f"volume {folder.name} is still in use by pod {users[0]}")
    if is_mounted(point):
        if elsewhere := mounted_elsewhere(folder):
            raise Conflict(f"volume {folder.name} is still mounted at {elsewhere[0]}")
        try:
            unmount_idle(point)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise Conflict(f"volume {folder.name} is still in use on its node") from error
    elif mode_of(folder) == BLOCK:
        loops.detach(file)
    # A container that is not gone yet has a mount of its own, which only the device tells of.
    if loops.devices(file):
        raise Conflict(f"volume {folder.name} is still in use on its node")


def mounted_elsewhere(folder: Path) -> list[str]:
    """Where pods have the file system of the volume, which is mounted. Raises OSError."""
    point = mount_point(folder)
    return [each for each in mounts_of(device_of(point)) if each != str(point.resolve())]
