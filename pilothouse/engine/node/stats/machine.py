"""The machine's own figures, from /proc and its file systems. Blocking, quick."""

import os
from collections.abc import Iterable
from pathlib import Path

from pilothouse.engine.node.stats.figures import Cpu, Filesystem, Interface, Memory
from pilothouse.model.pod_links import is_pod_link

PROC = Path("/proc")
_TICK_NS = 10**9 // os.sysconf("SC_CLK_TCK")
_IDLE = (3, 4)
"""Of the numbers of /proc/stat: idle and iowait."""
_GUEST = 8
"""Where the guests' times begin, which are part of user and nice already."""


def cpu(proc: Path = PROC) -> Cpu:
    """CPU time that all processes and the kernel have used since the machine started."""
    words = (proc / "stat").read_text().split("\n", 1)[0].split()[1:]
    ticks = sum(int(word) for i, word in enumerate(words[:_GUEST]) if i not in _IDLE)
    return Cpu(ticks * _TICK_NS)


def booted_at(proc: Path = PROC) -> float:
    for line in (proc / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def memory(proc: Path = PROC) -> tuple[Memory, int]:
    """Use and capacity. Available is what the kernel says that programs can still be given."""
    found = _meminfo(proc)
    total, available = found["MemTotal"], found["MemAvailable"]
    usage = total - found["MemFree"]
    used = total - available
    rss, cache = found.get("AnonPages", 0), found.get("Cached", 0)
    return Memory(usage, used, available, rss, *_faults(proc), cache), total


def _meminfo(proc: Path) -> dict[str, int]:
    found = {}
    for line in (proc / "meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) * 1024
    return found


def _faults(proc: Path) -> tuple[int, int]:
    found = dict(line.split(" ", 1) for line in (proc / "vmstat").read_text().splitlines())
    return int(found.get("pgfault", 0)), int(found.get("pgmajfault", 0))


def filesystem(folder: Path) -> Filesystem:
    """The file system that a folder lies on, with what is left for those who are not root."""
    found, device = os.statvfs(folder), folder.stat().st_dev
    unit = found.f_frsize
    used = (found.f_blocks - found.f_bfree) * unit
    return Filesystem(device, found.f_blocks * unit, found.f_bavail * unit, used, found.f_files, found.f_ffree)


def processes(proc: Path = PROC) -> tuple[int, int]:
    """Threads and processes that have a number, and how many there may be."""
    running = int((proc / "loadavg").read_text().split()[3].partition("/")[2])
    most = min(int((proc / "sys/kernel" / name).read_text()) for name in ("pid_max", "threads-max"))
    return running, most


def interfaces(proc: Path = PROC, pid: str = "self") -> tuple[Interface, ...]:
    """Those of the network namespace that a process is in, without loopback and the far ends of pods' links. Raises OSError.

    The one that the default route goes out by comes first.
    """
    found = [
        each for each in _interfaces((proc / pid / "net/dev").read_text().splitlines()[2:]) if pid != "self" or not is_pod_link(each.name)
    ]
    default = _default(proc / pid / "net/route")
    return tuple(sorted(found, key=lambda each: each.name != default))


def _default(table: Path) -> str:
    """The interface of the default route, "" without one."""
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    return next((row[0] for row in rows if row[1] == row[7] == "00000000"), "")


def _interfaces(lines: Iterable[str]) -> Iterable[Interface]:
    for line in lines:
        name, _, numbers = line.partition(":")
        name = name.strip()
        if name != "lo" and not name.startswith("veth"):
            word = [int(each) for each in numbers.split()]
            yield Interface(name, *word[0:4], *word[8:12])
