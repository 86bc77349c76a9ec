"""What a pod's cgroup says it uses, on version 1 and version 2 hierarchies. Blocking, quick; whatever is not there is None."""

from dataclasses import dataclass
from pathlib import Path

from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.stats.figures import Cpu, Memory, Throttling

_UNLIMITED = 1 << 60
"""Version 1 says this large a number, rounded to a page, for no limit."""


@dataclass(frozen=True, slots=True)
class Used:
    """pids: of all its processes, in no order."""

    cpu: Cpu | None
    memory: Memory | None
    processes: int | None


def used(parent: str) -> Used:
    """parent: as `cgroups.pod_parent` names it."""
    if cgroups.is_v2():
        folder = cgroups.ROOT / cgroups.folder_of(parent)
        return Used(_cpu_v2(folder), _memory_v2(folder), _number(folder / "pids.current"))
    tops = {name: cgroups.ROOT / name / cgroups.folder_of(parent) for name in ("cpuacct", "memory", "pids")}
    return Used(_cpu_v1(tops["cpuacct"]), _memory_v1(tops["memory"]), _number(tops["pids"] / "pids.current"))


def topmost(machine: Memory, capacity: int) -> tuple[Memory, int]:
    """Use and capacity of memory: of the topmost cgroup in sight where that may use less than the machine has, as in a container."""
    found = _memory_v2(cgroups.ROOT) if cgroups.is_v2() else _memory_v1(cgroups.ROOT / "memory")
    if found is None or found.available_bytes is None:
        return machine, capacity
    limit = found.working_set_bytes + found.available_bytes
    return (found, limit) if limit < capacity else (machine, capacity)


def throttling(parent: str, container: str) -> Throttling | None:
    """Of a container by its id; None for one without a CPU limit."""
    top = (cgroups.ROOT if cgroups.is_v2() else cgroups.ROOT / "cpu") / cgroups.folder_of(parent)
    for name in _names(container):
        found = _table(top / name / "cpu.stat")
        if found.get("nr_periods"):
            waited_ns = found["throttled_time"] if "throttled_time" in found else found.get("throttled_usec", 0) * 1000
            return Throttling(found["nr_periods"], found.get("nr_throttled", 0), waited_ns)
    return None


def _names(id: str) -> tuple[str, str]:
    """Of the folder of a container or sandbox in its pod's: as the runtime names it without and with systemd."""
    return id, f"cri-containerd-{id}.scope"


def any_process(parent: str, sandbox: str) -> str:
    """The number of a process of the pod's sandbox, "" when none is found: it shows the pod's network namespace."""
    top = (cgroups.ROOT if cgroups.is_v2() else cgroups.ROOT / "memory") / cgroups.folder_of(parent)
    for name in _names(sandbox):
        try:
            found = (top / name / "cgroup.procs").read_text().split()
        except OSError:
            continue
        if found:
            return found[0]
    return ""


def _cpu_v1(folder: Path) -> Cpu | None:
    total = _number(folder / "cpuacct.usage")
    return None if total is None else Cpu(total)


def _cpu_v2(folder: Path) -> Cpu | None:
    found = _table(folder / "cpu.stat").get("usage_usec")
    return None if found is None else Cpu(found * 1000)


def _memory_v1(folder: Path) -> Memory | None:
    usage, stat = _number(folder / "memory.usage_in_bytes"), _table(folder / "memory.stat")
    if usage is None:
        return None
    limit = _number(folder / "memory.limit_in_bytes")
    faults = stat.get("total_pgfault", 0), stat.get("total_pgmajfault", 0)
    return _memory(usage, stat.get("total_inactive_file", 0), limit, stat.get("total_rss", 0), faults, stat.get("total_cache", 0))


def _memory_v2(folder: Path) -> Memory | None:
    usage, stat = _number(folder / "memory.current"), _table(folder / "memory.stat")
    if usage is None:
        return None
    limit = _number(folder / "memory.max")
    faults = stat.get("pgfault", 0), stat.get("pgmajfault", 0)
    return _memory(usage, stat.get("inactive_file", 0), limit, stat.get("anon", 0), faults, stat.get("file", 0))


def _memory(usage: int, inactive: int, limit: int | None, rss: int, faults: tuple[int, int], cache: int) -> Memory:
    working = max(0, usage - inactive)
    available = None if limit is None or limit > _UNLIMITED else max(0, limit - working)
    return Memory(usage, working, available, rss, *faults, cache)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # ValueError: "max"
        return None


def _table(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
