"""Cgroups of the instance: one folder for it, one a pod below, on version 1 and version 2 hierarchies alike.

The runtime makes and removes the containers' own cgroups. The pod's weight against other pods is set here, and what the runtime
leaves behind (the pod's empty folder) is removed here. With systemd as the cgroup manager slices come and go by themselves, and a
slice lies in the folder of the one that its name begins with: a_b.slice/a_b-pod1.slice. Source: systemd.slice(5).
"""

import os
import signal
from functools import cache
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


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
        return f"{instance.replace('-', '_')}-pod{uid.replace('-', '_')}.slice"
    return f"/{instance}/pod{uid}"


def instance_parent(instance: str) -> str:
    """The cgroup that holds the pods' of an instance, in the same form."""
    return f"{instance.replace('-', '_')}.slice" if has_systemd_v2() else f"/{instance}"


def folder_of(parent: str) -> str:
    """Where below a hierarchy's mount point a cgroup lies whose name has the form that the cgroup driver expects."""
    if not parent.endswith(".slice"):
        return parent.strip("/")
    parts = parent.removesuffix(".slice").split("-")
    return "/".join("-".join(parts[: depth + 1]) + ".slice" for depth in range(len(parts)))


def weigh(parent: str, shares: int) -> None:
    """Makes the pod's cgroup with its CPU weight, so that pods share the CPU by what they request and not by container count."""
    if has_systemd_v2():
        return
    if is_v2():
        folder = ROOT / parent.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        _enable_cpu(folder)
        _write(folder / "cpu.weight", str(1 + (shares - 2) * 9999 // 262142))
        return
    folder = ROOT / "cpu" / parent.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "cpu.shares", str(shares))


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
        before = instance.replace("-", "_") + "-pod"
        return {
            name[len(before) : -len(".slice")].replace("_", "-") for name in names if name.startswith(before) and name.endswith(".slice")
        }
    return {name.removeprefix("pod") for name in names if name.startswith("pod")}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def remove(parent: str) -> None:
    """Removes a pod's (or the instance's) cgroup and what is below it; processes left in it keep it alive."""
    for hierarchy in hierarchies():
        top = hierarchy / folder_of(parent)
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                continue


def kill(parent: str) -> set[int]:
    """SIGKILL to every process below a cgroup; returns their pids."""
    found: set[int] = set()
    for hierarchy in hierarchies():
        top = hierarchy / folder_of(parent)
        for folder, _, _ in os.walk(top):
            try:
                found.update(int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
            except OSError:
                continue
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return found
