"""Processes of containers, found on the machine by the runtime's id of the container."""

import os
import signal
from contextlib import suppress
from pathlib import Path

SHIM = "containerd-shim"


def container_id(pod: dict[str, object], name: str) -> str:
    """Of a container of the pod, as its status says it. Raises KeyError for one that has none."""
    statuses = pod["status"]["containerStatuses"]  # type: ignore[index]
    for each in statuses:
        if each["name"] == name:
            return str(each["containerID"]).partition("//")[2]
    raise KeyError(name)


def pids(identifier: str) -> list[int]:
    """Of the container, by number."""
    found = []
    for group in Path("/proc").glob("[0-9]*/cgroup"):
        with suppress(OSError):
            if identifier in group.read_text():
                found.append(int(group.parent.name))
    return sorted(found)


def name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def keeper(pid: int) -> int:
    """The runtime's shim that a process descends from; 0 for none."""
    while pid > 1 and not name(pid).startswith(SHIM):
        pid = parent(pid)
    return pid if pid > 1 else 0


def below(pid: int) -> list[int]:
    """All that descend from it."""
    everyone = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    children = [each for each in everyone if parent(each) == pid]
    return [*children, *(each for child in children for each in below(child))]


def kill(pid: int) -> None:
    """One that has ended meanwhile is as it should be."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
