"""Has pods keep to the limits of the volumes that they have, each volume's noted beside it (`layout`).

Nothing is remembered: which pods have a volume is what the kernel's mounts and the pods' links say, so that an agent that was killed
goes on with what is noted. Blocking: called in a thread.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import io_limits
from pilothouse.engine.node.host.cgroups import pod_parent
from pilothouse.engine.node.local_volumes import layout, loops, users
from pilothouse.model.io_limits import IoLimits

_turn = threading.Lock()
"""What is read of a volume is given before anybody notes another limit: else a container that starts meanwhile would keep the old one."""


def limit(config: NodeConfig, folder: Path, limits: IoLimits) -> None:
    """Notes the limits of a volume, and gives them to the pods that have it. folder: of the volume. Raises OSError."""
    with _turn:
        layout.note_limits(folder, limits)
        device = _device_of(folder)
        for pod in config.pods_dir.glob("*"):
            if device is not None and device in dict(_devices(config, pod)):
                _give(config, pod)


def begin(config: NodeConfig, uid: str, container_id: str) -> None:
    """For a container of the pod that is about to start. Raises OSError."""
    pod = config.pod_dir(uid)
    with _turn:
        if any(layout.noted_limits(folder) for _, folder in _devices(config, pod)):
            io_limits.prepare(pod_parent(config.instance, uid), container_id)
            _give(config, pod)


def _give(config: NodeConfig, pod: Path) -> None:
    limits = {device: found for device, folder in _devices(config, pod) if (found := layout.noted_limits(folder)) is not None}
    io_limits.give(pod_parent(config.instance, pod.name), limits)


def _devices(config: NodeConfig, pod: Path) -> Iterator[tuple[int, Path]]:
    """The devices of the node's volumes that the pod has, each with the folder of the volume."""
    for bound in (pod / "volumes" / users.KIND).glob("*"):
        with suppress(OSError):
            device = os.stat(bound).st_dev
            if (folder := _folder_of(config, device)) is not None:
                yield device, folder
    for target in users.targets_of(pod):
        if target.is_relative_to(config.volumes_dir) and (held := _device_of(target.parent)) is not None:
            yield held, target.parent


def _folder_of(config: NodeConfig, device: int) -> Path | None:
    """Of the volume whose file that loop device holds; None for a device of another kind, or of another's file."""
    backing = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/loop/backing_file")
    try:
        file = Path(backing.read_text().rstrip("\n"))
    except FileNotFoundError:
        return None
    return file.parent if file.parent.parent == config.volumes_dir.resolve() else None


def _device_of(folder: Path) -> int | None:
    """The device that holds the volume's file; None while there is none."""
    found = loops.devices(layout.image_of(folder))
    return os.stat(found[0]).st_rdev if found else None
