"""A node with what its pods use of it.

Source: kubernetes pkg/scheduler/framework/types.go (NodeInfo).
"""

from collections import Counter
from collections.abc import Mapping
from itertools import count

from pilothouse.engine.scheduler.demand import amounts
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.model import meta
from pilothouse.model.json import Object

_GENERATIONS = count(1)


class NodeInfo:
    """exists: a pod may be known before its node is. generation: another one after each change, never one that was before.

    used: sums over its pods. scored: cpu (milli) and memory (bytes) as scores count them. ports: how often each host port is taken.
    images: sizes in bytes by name. nominated: pods that the node is being made free for, by key.
    """

    __slots__ = (
        "allocatable", "exists", "generation", "images", "is_unschedulable", "labels", "name", "nominated", "pods", "ports",
        "scored_cpu", "scored_memory", "taints", "used",
    )  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.exists = False
        self.generation = 0
        self.labels: Mapping[str, str] = {}
        self.taints: tuple[Object, ...] = ()
        self.is_unschedulable = False
        self.allocatable: dict[str, int] = {}
        self.images: dict[str, int] = {}
        self.used: Counter[str] = Counter()
        self.scored_cpu = 0
        self.scored_memory = 0
        self.ports: Counter[tuple[str, str, int]] = Counter()
        self.pods: dict[str, PodInfo] = {}
        self.nominated: dict[str, PodInfo] = {}

    def become(self, node: Object) -> None:
        """Take over what the object says."""
        spec, status = node.get("spec") or {}, node.get("status") or {}
        self.exists = True
        self.labels = meta.labels(node)
        self.taints = tuple(spec.get("taints") or ())
        self.is_unschedulable = bool(spec.get("unschedulable"))
        self.allocatable = amounts(status.get("allocatable"))
        self.images = {name: each.get("sizeBytes") or 0 for each in status.get("images") or () for name in each.get("names") or ()}
        self.touch()

    def add(self, pod: PodInfo) -> None:
        self.pods[pod.key] = pod
        self._count(pod, 1)

    def remove(self, pod: PodInfo) -> None:
        del self.pods[pod.key]
        self._count(pod, -1)

    def touch(self) -> None:
        self.generation = next(_GENERATIONS)

    def _count(self, pod: PodInfo, sign: int) -> None:
        used = self.used
        for resource, amount in pod.demand.resources.items():
            used[resource] += sign * amount
        cpu, memory = pod.shape.needs.scored
        self.scored_cpu += sign * cpu
        self.scored_memory += sign * memory
        for port in pod.demand.ports:
            self.ports[port] += sign
            if not self.ports[port]:
                del self.ports[port]
        self.touch()
