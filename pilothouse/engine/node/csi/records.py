"""What the disk says of the volumes of drivers, in the kubelet's own layout: enough to let go of each of them, whoever has begun it.

    pods/UID/volumes/kubernetes.io~csi/NAME/{vol_data.json,mount}            published into a pod
    plugins/kubernetes.io/csi/DRIVER/SHA256/{vol_data.json,globalmount}      staged once for the node

A record is on the disk before its driver is asked for anything, and goes after the driver has let go. Blocking: called in a thread.
Source: kubernetes pkg/volume/csi (csi_mounter.go, csi_attacher.go, csi_util.go).
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pilothouse.aio.identity import this_boot
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files import durable
from pilothouse.engine.node.files.mountpoints import is_mount_point

KIND, FILE = "kubernetes.io~csi", "vol_data.json"
Key = tuple[str, str]
"""Driver and handle of a volume: by which a node knows it."""


@dataclass(frozen=True, slots=True)
class Record:
    """name: of the PersistentVolume, or of an inline volume in its pod. pod_volume: its name in the pod. attached: the cluster attaches it.

    asked: the driver has been asked for it, or is about to be. done: it has said that it is there. boot: of the machine, when that was
    noted; what was mounted is gone in another one. block: it is a device, not files.
    """

    driver: str
    handle: str
    name: str
    pod_volume: str = ""
    ephemeral: bool = False
    attached: bool = False
    asked: bool = False
    done: bool = False
    boot: str = ""
    block: bool = False

    @property
    def key(self) -> Key:
        return self.driver, self.handle

    @property
    def is_current(self) -> bool:
        return self.done and self.boot == this_boot()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record lies, and where its driver mounts. uid: of the pod, "" for what is staged."""

    folder: Path
    uid: str = ""

    @property
    def target(self) -> Path:
        return self.folder / ("mount" if self.uid else "globalmount")


def published_at(config: NodeConfig, uid: str, name: str) -> Place:
    return Place(config.pod_dir(uid) / "volumes" / KIND / name, uid)


def staged_at(config: NodeConfig, driver: str, handle: str) -> Place:
    return Place(config.plugins_dir / "kubernetes.io" / "csi" / driver / sha256(handle.encode()).hexdigest())


def write(place: Place, record: Record) -> None:
    """Raises OSError."""
    said = {
        "driverName": record.driver,
        "volumeHandle": record.handle,
        "specVolID": record.name,
        "volumeLifecycleMode": "Ephemeral" if record.ephemeral else "Persistent",
        "podVolume": record.pod_volume,
        "attached": record.attached,
        "asked": record.asked,
        "done": record.done,
        "boot": this_boot(),
        "block": record.block,
    }
    place.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    durable.write(place.folder / FILE, json.dumps(said).encode())


def read(place: Place) -> Record | None:
    """None where nothing was asked of a driver. Raises OSError, ValueError for a record that cannot be read."""
    try:
        said = json.loads((place.folder / FILE).read_bytes())
    except FileNotFoundError:
        return None
    try:
        return Record(
            said["driverName"],
            said["volumeHandle"],
            said["specVolID"],
            said.get("podVolume") or "",
            said.get("volumeLifecycleMode") == "Ephemeral",
            bool(said.get("attached")),
            bool(said.get("asked", True)),
            bool(said.get("done")),
            said.get("boot") or "",
            bool(said.get("block")),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{place.folder / FILE} is no record of a volume: {error}") from error


def remove(place: Place) -> None:
    """After the driver has let go; the folder stays when something is left in it. Raises OSError."""
    for folder in (place.target, place.folder):
        if folder is place.folder:
            (place.folder / FILE).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            _remove(folder)


def _remove(path: Path) -> None:
    """An empty folder, or a file. Without a look at it: a driver that has not let go may have left what does not answer. Raises OSError."""
    try:
        os.rmdir(path)
    except NotADirectoryError:
        os.unlink(path)


def is_there(place: Place) -> bool:
    """Whether the driver has put the volume there in this life of the machine: a mount, or a block device.

    What is mounted is not looked at, since it may not answer.
    """
    record = read(place)
    if record is None or not record.is_current:
        return False
    return is_mount_point(place.target) or place.target.is_block_device()


def of_pod(config: NodeConfig, uid: str) -> list[Place]:
    folder = config.pod_dir(uid) / "volumes" / KIND
    return [Place(each, uid) for each in sorted(folder.iterdir())] if folder.is_dir() else []


def published(config: NodeConfig) -> Iterator[tuple[Place, Record]]:
    """Of all pods. A record that cannot be read is left out."""
    for folder in config.pods_dir.glob(f"*/volumes/{KIND}/*"):
        yield from _if_readable(Place(folder, folder.parts[-4]))


def staged(config: NodeConfig) -> Iterator[tuple[Place, Record]]:
    for folder in (config.plugins_dir / "kubernetes.io" / "csi").glob("*/*"):
        yield from _if_readable(Place(folder))


def _if_readable(place: Place) -> Iterator[tuple[Place, Record]]:
    with contextlib.suppress(OSError, ValueError):
        if (record := read(place)) is not None:
            yield place, record
