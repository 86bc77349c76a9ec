"""Limits of a pod as a whole: its cgroup's, which its containers share. Blocking: called in a thread.

Other than a weight a limit is a promise: where it cannot be set the pod does not run.
"""

import errno
from pathlib import Path

from pilothouse.engine.node.host import cgroups, slices

PERIOD_US = 100_000
MIN_QUOTA_US = 1_000


def limit(parent: str, cpu_milli: int, memory_bytes: int) -> None:
    """Makes the pod's cgroup when it is not there. 0: no limit of that kind. Raises OSError."""
    if not cpu_milli and not memory_bytes:
        return
    if cgroups.has_systemd_v2():
        _give_slice(cgroups.ROOT, parent, cpu_milli, memory_bytes)
        return
    write = write_v2 if cgroups.is_v2() else write_v1
    write(cgroups.ROOT, parent, cpu_milli, memory_bytes)


def write_v1(root: Path, parent: str, cpu_milli: int, memory_bytes: int) -> None:
    """root: where the hierarchies lie."""
    if cpu_milli:
        folder = _folder(root / "cpu", parent)
        _set(folder / "cpu.cfs_period_us", str(PERIOD_US))
        _set(folder / "cpu.cfs_quota_us", str(_quota_us(cpu_milli)))
    if memory_bytes:
        _set(_folder(root / "memory", parent) / "memory.limit_in_bytes", str(memory_bytes))


def write_v2(root: Path, parent: str, cpu_milli: int, memory_bytes: int) -> None:
    """root: of the one hierarchy."""
    folder = _folder(root, parent)
    for above in (root, folder.parent):
        _set(above / "cgroup.subtree_control", "+cpu +memory")
    _set(folder / "cpu.max", f"{_quota_us(cpu_milli)} {PERIOD_US}" if cpu_milli else "max")
    _set(folder / "memory.max", str(memory_bytes) if memory_bytes else "max")


def _give_slice(root: Path, name: str, cpu_milli: int, memory_bytes: int) -> None:
    """systemd leaves a limit out without a word when the kernel has not the controller, so that is looked at."""
    controllers = (root / "cgroup.controllers").read_text().split()
    needed = {"cpu": cpu_milli, "memory": memory_bytes}
    for controller in [each for each, limit in needed.items() if limit and each not in controllers]:
        raise OSError(errno.ENODEV, f"the limit of the pod cannot be set: this kernel has no {controller} controller in {root}")
    slices.give(name, slice_properties(cpu_milli, memory_bytes), active=cgroups.is_there(name))


def slice_properties(cpu_milli: int, memory_bytes: int) -> dict[str, str]:
    """Of systemd; CPUQuota is in hundredths of one processor. Source: systemd.resource-control(5)."""
    found = {}
    if cpu_milli:
        found = {"CPUQuota": f"{_quota_us(cpu_milli) * 100 / PERIOD_US:.2f}%", "CPUQuotaPeriodSec": f"{PERIOD_US}us"}
    if memory_bytes:
        found["MemoryMax"] = str(memory_bytes)
    return found


def _quota_us(cpu_milli: int) -> int:
    return max(MIN_QUOTA_US, cpu_milli * PERIOD_US // 1000)


def _folder(hierarchy: Path, parent: str) -> Path:
    folder = hierarchy / parent.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _set(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError as error:
        raise OSError(error.errno, f"the limit of the pod cannot be set: {path.name}: {error.strerror}") from error
