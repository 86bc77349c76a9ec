"""Figures of pods for tests, as short as what they are about."""

from collections.abc import Mapping

from pilothouse.engine.node.stats.figures import ContainerFigures, Cpu, Disk, Memory, PodFigures
from pilothouse.model.json import Object

MIB = 1 << 20


def figures(
    name: str,
    *,
    memory_mib: int | None = 0,
    disk_mib: int = 0,
    logs_mib: int = 0,
    inodes: int = 0,
    processes: int | None = 1,
    volumes_mib: Mapping[str, int] | None = None,
    in_memory: frozenset[str] = frozenset(),
    priority: int = 0,
    requests: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    **spec: object,
) -> PodFigures:
    """A pod with one container, `c`. disk_mib: of its writable layer."""
    container: Object = {"name": "c", "image": "i", "resources": {"requests": dict(requests or {}), "limits": dict(limits or {})}}
    pod: Object = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"containers": [container], "priority": priority, **spec},
    }
    memory = None if memory_mib is None else Memory(memory_mib * MIB, memory_mib * MIB)
    rootfs, logs = Disk(disk_mib * MIB, inodes), Disk(logs_mib * MIB)
    inside = ContainerFigures("c", f"id-{name}", "i", 1.0, 2.0, Cpu(1), memory, rootfs, logs)
    volumes = {volume: Disk(size * MIB) for volume, size in (volumes_mib or {}).items()}
    return PodFigures(pod, 1.0, 2.0, Cpu(1), memory, processes, (), (inside,), volumes, in_memory)
