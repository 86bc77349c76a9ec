"""A port of a node is given once."""

from collections.abc import Iterable

from pilothouse.engine.scheduler.framework.plugin import NodeFilter, Refusal
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs

Port = tuple[str, str, int]
ANY_ADDRESS = "0.0.0.0"  # noqa: S104 -- upstream's spelling of "any address"


class NodePorts:
    name = "NodePorts"
    _refusal = Refusal(name, ("node(s) didn't have free ports for the requested pod ports",))

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        if not needs.demand.ports:
            return None

        def judge(node: NodeInfo) -> Refusal | None:
            return self._refusal if _clash(needs.demand.ports, node.ports) else None

        return judge

    def hint(self, pod: PodInfo, event: Event) -> bool:
        if isinstance(event, PodLeft):
            return _clash(pod.shape.needs.demand.ports, event.pod.demand.ports)
        return isinstance(event, NodeChanged) and "added" in event.changed


def _clash(wanted: Iterable[Port], taken: Iterable[Port]) -> bool:
    found = [(a, b) for a in wanted for b in taken if a[1:] == b[1:]]
    return any(a[0] == b[0] or ANY_ADDRESS in (a[0], b[0]) for a, b in found)
