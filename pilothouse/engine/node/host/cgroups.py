"""Cgroups of the instance: one folder for it, one a pod below, on version 1 and version 2 hierarchies alike.

The runtime makes and removes the containers' own cgroups. The pod's weight against other pods is set here, and what the runtime
leaves behind (the pod's empty folder) is removed here. With systemd as the cgroup manager slices come and go by themselves (see `slices`),
and a slice lies in the folder of the one that its name begins with: a_b.slice/a_b-pod1.slice. Blocking, but for names.
Source: systemd.slice(5).
"""

import errno
import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path

from pilothouse.engine.node.host import slices

ROOT = Path("/sys/fs/cgroup")
OOM_GROUP = "memory.oom.group"
CLEARED_S, POLL_S = 2.0, 0.02


@cache
def is_v2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


@cache
def has_systemd_v2() -> bool:
    """Whether systemd runs this host's cgroups: then it wants to be asked for slices (a delegated tree on version 1 needs no asking)."""
    return is_v2() and Path("/run/systemd/system").is_dir()


@cache
def hierarchies() -> tuple[Path, ...]:
    """The mount points below which a cgroup has a folder: one on version 2, one a controller on version 1."""
    if is_v2():
        return (ROOT,)
    return tuple(path for path in sorted(ROOT.iterdir()) if path.is_dir() and not path.is_symlink())


def pod_parent(instance: str, uid: str) -> str:
    """The cgroup parent that a pod's sandbox names, in the form that the cgroup driver expects."""
    if has_systemd_v2():
        return f"{_pod_slices(instance)}{uid.replace('-', '_')}.slice"
    return f"/{instance}/pod{uid}"


def _pod_slices(instance: str) -> str:
    """How the names of an instance's pods' slices begin."""
    return f"{instance.replace('-', '_')}-pod"


def instance_parent(instance: str) -> str:
    """The cgroup that holds the pods' of an instance, in the same form."""
    return f"{instance.replace('-', '_')}.slice" if has_systemd_v2() else f"/{instance}"


def folder_of(parent: str) -> str:
    """Where below a hierarchy's mount point a cgroup lies whose name has the form that the cgroup driver expects."""
    if not parent.endswith(".slice"):
        return parent.strip("/")
    parts = parent.removesuffix(".slice").split("-")
    return "/".join("-".join(parts[: depth + 1]) + ".slice" for depth in range(len(parts)))


def of_containers(root: Path = ROOT) -> dict[str, str]:
    """What the cgroup of each container says beside its limits, file -> value; the runtime writes it. Version 2 alone has such files.

    A container that runs out of memory ends as a whole: with one process of several killed it would go on half. Source:
    kuberuntime_container_linux.go (singleProcessOOMKill).
    """
    try:
        controllers = (root / "cgroup.controllers").read_text().split()
    except OSError:
        return {}
    return {OOM_GROUP: "1"} if "memory" in controllers else {}


def weigh(parent: str, shares: int) -> None:
    """Makes the pod's cgroup with its CPU weight, so that pods share the CPU by what they request and not by container count."""
    if has_systemd_v2():
        # As elsewhere: a weight is a preference, never a condition for running.
        with suppress(OSError):
            slices.give(parent, {"CPUWeight": str(_weight(shares))}, active=is_there(parent))
        return
    if is_v2():
        folder = ROOT / parent.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        _enable_cpu(folder)
        _write(folder / "cpu.weight", str(_weight(shares)))
        return
    folder = ROOT / "cpu" / parent.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "cpu.shares", str(shares))


def _weight(shares: int) -> int:
    """Of version 2, 1 to 10000. Source: kubelet/cm, CpuSharesToCpuWeight."""
    return 1 + (shares - 2) * 9999 // 262142


def _enable_cpu(folder: Path) -> None:
    for above in (ROOT, folder.parent):
        _write(above / "cgroup.subtree_control", "+cpu")


def _write(path: Path, value: str) -> None:
    try:
        path.write_text(value)
    except OSError:
        # A controller that this kernel or container does not grant: weights are a preference, never a condition for running.
        return


def pods(instance: str) -> set[str]:
    """Uids of the pods that have a cgroup."""
    names = {name for top in hierarchies() for name in _names(top / folder_of(instance_parent(instance)))}
    if has_systemd_v2():
        before = _pod_slices(instance)
        found = [name for name in names | slices.names(before) if name.startswith(before) and name.endswith(".slice")]
        return {name[len(before) : -len(".slice")].replace("_", "-") for name in found}
    return {name.removeprefix("pod") for name in names if name.startswith("pod")}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def is_there(parent: str) -> bool:
    return any((hierarchy / folder_of(parent)).exists() for hierarchy in hierarchies())


def remove(parent: str) -> None:
    """Removes a pod's (or the instance's) cgroup and what is below it; processes left in it keep it alive. Raises OSError of systemd."""
    if has_systemd_v2():
        for name in slices.names(parent.removesuffix(".slice") + "-"):
            slices.drop(name, active=False)
        # What is below goes with it.
        slices.drop(parent, active=is_there(parent))
    for hierarchy in hierarchies():
        top = hierarchy / folder_of(parent)
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue


def clear(parent: str) -> set[int]:
    """Ends every process below a cgroup and removes it; returns their pids. Raises OSError when it cannot be removed."""
    killed = kill(parent)
    until = time.monotonic() + CLEARED_S
    remove(parent)
    # The kernel needs a moment to let go of processes that were killed.
    while is_there(parent):
        if time.monotonic() > until:
            raise OSError(errno.EBUSY, f"cgroup {folder_of(parent)} cannot be removed")
        time.sleep(POLL_S)
        remove(parent)
    return killed


def kill_strays(instance: str, known: Collection[str]) -> dict[str, set[int]]:
    """Ends what runs in cgroups of pods other than those known by their uids; returns the pids of each pod of which something ran."""
    killed = {uid: kill(pod_parent(instance, uid)) for uid in pods(instance) - set(known)}
    return {uid: pids for uid, pids in killed.items() if pids}


def kill(parent: str) -> set[int]:
    """SIGKILL to every process below a cgroup; returns their pids."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        top = hierarchy / folder_of(parent)
        found |= _processes(top)
        # All at once, those that are being forked too, where the kernel can.
        with suppress(OSError), (top / "cgroup.kill").open("r+") as file:
            file.write("1")
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _processes(top: Path) -> set[int]:
    found: set[int] = set()
    for folder, _, _ in os.walk(top):
        with suppress(OSError):
            found.update(int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
    return found
