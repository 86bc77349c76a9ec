"""What happens in the cluster that may let a waiting pod fit. A plug-in that has refused a pod says whether an event is one for it.

Source: KEP-4247, queueing hints.
"""

from dataclasses import dataclass

from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """node: as it is now. changed: of "added", "removed", "labels", "taints" (with unschedulable) and "allocatable"."""

    node: NodeInfo
    changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class PodPlaced:
    """A pod has come to a node, or one there has changed in what others look at."""

    pod: PodInfo
    node: NodeInfo


@dataclass(frozen=True, slots=True)
class PodLeft:
    """A pod has ended or gone. now: it is still there and holds less than before."""

    pod: PodInfo
    node: NodeInfo
    now: PodInfo | None = None


@dataclass(frozen=True, slots=True)
class NamespaceChanged:
    """The labels of a namespace are others."""


@dataclass(frozen=True, slots=True)
class VolumesChanged:
    """A claim, a volume or a storage class is another."""


Event = NodeChanged | PodPlaced | PodLeft | NamespaceChanged | VolumesChanged
