"""Claims, volumes, classes and nodes as values, and a node that makes volumes."""

from dataclasses import dataclass, field
from typing import Any

from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import Object
from pilothouse.model.volumes import ENFORCEMENT

LOCAL: Object = {
    "metadata": {"name": "local"},
    "provisioner": "pilothouse.io/local",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
}
IMMEDIATE: Object = {
    "metadata": {"name": "now"},
    "provisioner": "pilothouse.io/local",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}


def claim(name: str = "data", size: str = "1Gi", storage_class: str | None = "", **spec: Any) -> Object:
    """storage_class: "" for a claim that wants no class."""
    wanted: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, "volumeMode": "Filesystem"}
    if storage_class is not None:
        wanted["storageClassName"] = storage_class
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}"},
        "spec": wanted | spec,
        "status": {"phase": "Pending"},
    }


def volume(name: str = "disk", size: str = "1Gi", phase: str = "Available", labels: Any = None, **spec: Any) -> Object:
    made = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size},
        "hostPath": {"path": f"/srv/{name}"},
        "persistentVolumeReclaimPolicy": "Retain",
        "volumeMode": "Filesystem",
    }
    return {"metadata": {"name": name, "uid": f"uid-of-{name}", "labels": labels or {}}, "spec": made | spec, "status": {"phase": phase}}


def fresh(obj: Object) -> Object:
    """As somebody writes it."""
    metadata = {key: value for key, value in obj["metadata"].items() if key != "uid"}
    return {key: value for key, value in obj.items() if key != "status"} | {"metadata": metadata}


def on_host(name: str, *labels: str) -> Object:
    """The node affinity of a volume that lies on that node."""
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": [name, *labels]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}


def node(name: str = "n1", enforcement: str = "loop") -> Object:
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name}, "annotations": {ENFORCEMENT: enforcement}}
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "100"}
    return {"metadata": metadata, "spec": {}, "status": {"conditions": [ready], "allocatable": allocatable, "capacity": allocatable}}


@dataclass
class FakeNodes:
    """Nodes that keep their volumes in memory. refuses: errors that are answered, by node. in_use: names of volumes that are mounted.

    is_busy: volumes cannot grow now. asked: nodes that were to make or grow one, in order. sources: what volumes were made of.
    snapshots: the volume of each. new: volumes that nobody has confirmed. is_copying: copies are not ready yet.
    limits: of the I/O of volumes.
    """

    volumes: dict[tuple[str, str], int] = field(default_factory=dict)
    refuses: dict[str, ApiError] = field(default_factory=dict)
    in_use: dict[str, ApiError] = field(default_factory=dict)
    is_busy: bool = False
    asked: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], str] = field(default_factory=dict)
    new: set[tuple[str, str]] = field(default_factory=set)
    is_copying: bool = False
    limits: dict[tuple[str, str], IoLimits] = field(default_factory=dict)

    async def ensure(self, node: str, name: str, size_bytes: int, mode: str = "", source: str = "") -> Object:
        self.asked.append(node)
        if node in self.refuses:
            raise self.refuses[node]
        had = self.volumes.get((node, name))
        if had is None:
            if source and self.is_copying:
                return {"copiedBytes": 1}
            self.sources[name] = source
            self.new.add((node, name))
        if had is None or not self.is_busy:
            self.volumes[node, name] = size_bytes
        has = self.volumes[node, name]
        return {"sizeBytes": has, "path": f"/home/volumes/{name}", "enforcement": "loop", "isPending": has < size_bytes}

    async def remove(self, node: str, name: str) -> None:
        if name in self.in_use:
            raise self.in_use[name]
        self.volumes.pop((node, name), None)
        self.new.discard((node, name))

    async def confirm(self, node: str, name: str) -> None:
        self.new.discard((node, name))

    async def limit(self, node: str, name: str, limits: IoLimits) -> None:
        if node in self.refuses:
            raise self.refuses[node]
        self.limits[node, name] = limits

    async def unconfirmed(self, node: str) -> list[str]:
        return [name for at, name in self.new if at == node]

    async def take_snapshot(self, node: str, name: str, volume: str) -> Object:
        if node in self.refuses:
            raise self.refuses[node]
        if self.is_copying:
            return {"copiedBytes": 1}
        self.snapshots.setdefault((node, name), volume)
        return await self.snapshot(node, name)

    async def snapshot(self, node: str, name: str) -> Object:
        volume = self.snapshots.get((node, name))
        if volume is None:
            raise NotFound(f"snapshot {name} is not on this node")
        return {"sizeBytes": self.volumes.get((node, volume), 1 << 30), "takenNs": 1_800_000_000_000_000_000, "mode": "Filesystem"}

    async def remove_snapshot(self, node: str, name: str) -> None:
        self.snapshots.pop((node, name), None)
