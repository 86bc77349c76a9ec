"""Memory and CPU of an instance's processes, from proc(5).

A process belongs to an instance when its command line names the home, or when it descends from one that does. containerd, its shims and
what runs in containers are told apart: they are the same programs under any Kubernetes.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.rig.figures import Figures

_TICKS = os.sysconf("SC_CLK_TCK")
RUNTIME, CONTAINER, OWN = "runtime", "container", "own"


@dataclass(frozen=True, slots=True)
class Process:
    """cpu_s: spent so far, user and system."""

    pid: int
    parent: int
    name: str
    command: str
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Member:
    """A process of an instance. part: OWN, RUNTIME (containerd and shims) or CONTAINER."""

    process: Process
    part: str


def everything() -> dict[int, Process]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        process = _read(folder)
        if process is not None:
            found[process.pid] = process
    return found


def _read(folder: Path) -> Process | None:
    try:
        stat = (folder / "stat").read_text()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    return Process(int(folder.name), int(fields[1]), head.partition("(")[2], command, (int(fields[11]) + int(fields[12])) / _TICKS)


def members(home: Path, processes: dict[int, Process]) -> list[Member]:
    """The instance's processes among all those given, by pid."""
    found = (Member(process, part) for process in processes.values() if (part := _part(process, str(home), processes)))
    return sorted(found, key=lambda member: member.process.pid)


def _part(process: Process, home: str, processes: dict[int, Process]) -> str:
    """Decided by the nearest forebear, itself included, that names the home; "" for a stranger."""
    current: Process | None = process
    while current is not None and current.pid != os.getpid():
        if home in current.command and not _is_ours(current):
            if not current.name.startswith("containerd"):
                return OWN
            return RUNTIME if current is process else CONTAINER
        current = processes.get(current.parent)
    return ""


def _is_ours(process: Process) -> bool:
    """A `ph` that the benchmark itself runs just now."""
    return "/ph --home" in process.command


def memory(members: Iterable[Member]) -> Figures:
    """MiB of each own process and in all; the runtime's beside them."""
    each: Figures = {}
    runtime = {"rss": 0.0, "pss": 0.0, "n": 0}
    for member in members:
        sizes = _sizes(member.process.pid)
        if sizes is None or member.part == CONTAINER:
            continue
        if member.part == RUNTIME:
            runtime = {"rss": runtime["rss"] + sizes["rss"], "pss": runtime["pss"] + sizes["pss"], "n": runtime["n"] + 1}
        else:
            each[_label(member.process, each)] = sizes
    total = {kind: round(sum(sizes[kind] for sizes in each.values()), 1) for kind in ("rss", "pss")}
    return {"total_mib": total, "each_mib": each, "containerd_and_shims_mib": {name: round(size, 1) for name, size in runtime.items()}}


def pss(pid: int) -> float:
    """MiB of one process, with its share of what it has in common with others; 0 when it has ended."""
    sizes = _sizes(pid)
    return sizes["pss"] if sizes is not None else 0.0


def _label(process: Process, taken: Figures) -> str:
    role = next((role for role in ("control", "node") if f"pilothouse.cli.daemon.{role} " in process.command), "")
    name = role if role and "supervise" not in process.command else process.name
    name = "supervisor" if "supervise.sh" in process.command else name
    return name if name not in taken else f"{name}-{process.pid}"


def _sizes(pid: int) -> dict[str, float] | None:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:] if ":" in line}
    return {"rss": round(kilobytes.get("Rss", 0) / 1024, 1), "pss": round(kilobytes.get("Pss", 0) / 1024, 1)}


def cpu(before: list[Member], after: list[Member], took_s: float) -> Figures:
    """Percent of one core between two readings, of processes that lived through both."""
    spent = {member.process.pid: member.process.cpu_s for member in before}
    each: Figures = {}
    runtime = 0.0
    for member in after:
        percent = (member.process.cpu_s - spent.get(member.process.pid, member.process.cpu_s)) / took_s * 100
        if member.part == OWN:
            each[_label(member.process, each)] = round(percent, 2)
        elif member.part == RUNTIME:
            runtime += percent
    return {"own": round(sum(each.values()), 2), "containerd_and_shims": round(runtime, 2), "each": each}
