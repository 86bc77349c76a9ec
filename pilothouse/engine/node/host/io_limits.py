"""Limits of reading and writing a device, in the cgroups of a pod that has it.

On version 2 hierarchies the pod as a whole has them, on version 1 each of its containers, since there limits of a folder do not hold
below it. What is written past the page cache or waited for (O_DIRECT, fsync) is limited in both; what the kernel writes back later by
itself on version 2 alone, as on version 1 nobody knows whose it is. Blocking: called in a thread.
Source: Linux Documentation/admin-guide/cgroup-v1/blkio-controller.rst, cgroup-v2.rst ("IO"); systemd.resource-control(5).
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pilothouse.engine.node.host import cgroups, slices
from pilothouse.model.io_limits import IoLimits

BLKIO = "blkio"
_BYTES, _OPERATIONS = ("read_bps", "write_bps"), ("read_iops", "write_iops")
_PROPERTIES = {"IOReadBandwidthMax": False, "IOWriteBandwidthMax": False, "IOReadIOPSMax": True, "IOWriteIOPSMax": True}
"""Of systemd, and whether they count operations."""

Limits = Mapping[int, IoLimits]
"""By the number of the device, as `os.stat` has it."""


def trouble() -> str:
    """Why this machine cannot limit them, as a sentence; "" when it can."""
    if cgroups.is_v2():
        has = "io" in (cgroups.ROOT / "cgroup.controllers").read_text().split()
    else:
        has = _v1_file(cgroups.ROOT / BLKIO, "write_bps").exists()
    return "" if has else "its kernel has no controller of I/O in its cgroups (io, or blkio with throttling)"


def give(parent: str, limits: Limits) -> None:
    """Those of a pod, in all of its containers that there are. parent: its cgroup. Raises OSError."""
    if not limits:
        return
    if cgroups.has_systemd_v2():
        slices.give(parent, slice_properties(limits), active=cgroups.is_there(parent))
    elif cgroups.is_v2():
        write_v2(cgroups.ROOT, parent, limits)
    else:
        for folder in (cgroups.ROOT / BLKIO / cgroups.folder_of(parent)).glob("*/"):
            write_v1(folder, limits)


def prepare(parent: str, container_id: str) -> None:
    """Makes the cgroup where a container that is about to start has its limits, which it finds there. Raises OSError."""
    if not cgroups.is_v2():
        (cgroups.ROOT / BLKIO / cgroups.folder_of(parent) / container_id).mkdir(parents=True, exist_ok=True)


def write_v1(folder: Path, limits: Limits) -> None:
    """folder: of a container."""
    for device, limit in limits.items():
        for names, amount in ((_BYTES, limit.bytes_per_s), (_OPERATIONS, limit.iops)):
            for name in names:
                _set(_v1_file(folder, name), f"{_number(device)} {amount}")


def _v1_file(folder: Path, name: str) -> Path:
    return folder / f"blkio.throttle.{name}_device"


def write_v2(root: Path, parent: str, limits: Limits) -> None:
    folder = root / cgroups.folder_of(parent)
    folder.mkdir(parents=True, exist_ok=True)
    for above in (root, folder.parent):
        _set(above / "cgroup.subtree_control", "+io")
    for device, limit in limits.items():
        amounts = {"rbps": limit.bytes_per_s, "wbps": limit.bytes_per_s, "riops": limit.iops, "wiops": limit.iops}
        said = " ".join(f"{name}={amount or 'max'}" for name, amount in amounts.items())
        _set(folder / "io.max", f"{_number(device)} {said}")


def slice_properties(limits: Limits) -> dict[str, str]:
    """Of systemd: a line for each device, after an empty one that takes away what was there before."""
    found = {}
    for name, is_operations in _PROPERTIES.items():
        amounts = {device: limit.iops if is_operations else limit.bytes_per_s for device, limit in limits.items()}
        found[name] = "\n".join(["", *(f"/dev/block/{_number(device)} {amount or 'infinity'}" for device, amount in amounts.items())])
    return found


def _number(device: int) -> str:
    return f"{os.major(device)}:{os.minor(device)}"


def _set(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise OSError(error.errno, f"the limit of a volume's I/O cannot be set: {path.name}: {error.strerror}") from error
