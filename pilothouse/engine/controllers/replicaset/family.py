"""The two kinds of sets of equal pods, and in what they differ.

Source: Kubernetes 1.36, pkg/controller/replication/conversion.go, where a ReplicationController is read as a ReplicaSet.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.model.json import Object
from pilothouse.model.kinds import REPLICASETS, REPLICATIONCONTROLLERS
from pilothouse.model.resource import Resource
from pilothouse.model.selector import Selector, from_label_selector


@dataclass(frozen=True, slots=True)
class Family:
    """label_selector: the LabelSelector that a spec's selector amounts to. unknown: what its status does not have."""

    resource: Resource
    label_selector: Callable[[Object], Object | None]
    unknown: frozenset[str] = frozenset()

    def selector(self, obj: Object) -> Selector:
        return from_label_selector(self.label_selector(obj.get("spec") or {}))

    def shown(self, status: Object) -> Object:
        return {name: value for name, value in status.items() if name not in self.unknown}


REPLICA_SETS = Family(REPLICASETS, lambda spec: spec.get("selector"))
REPLICATION_CONTROLLERS = Family(
    REPLICATIONCONTROLLERS, lambda spec: {"matchLabels": spec.get("selector") or {}}, frozenset({"terminatingReplicas"})
)
