"""A cordoned node takes only pods that tolerate that."""

from pilothouse.engine.scheduler.framework.plugin import NodeFilter, Refusal
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs
from pilothouse.model.json import Object

TAINT: Object = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class NodeUnschedulable:
    name = "NodeUnschedulable"
    _refusal = Refusal(name, ("node(s) were unschedulable",), is_final=True)

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        return None if needs.tolerates(TAINT) else self._filter

    def hint(self, pod: PodInfo, event: Event) -> bool:
        return isinstance(event, NodeChanged) and bool(event.changed & {"added", "taints"}) and not event.node.is_unschedulable

    def _filter(self, node: NodeInfo) -> Refusal | None:
        return self._refusal if node.is_unschedulable else None
