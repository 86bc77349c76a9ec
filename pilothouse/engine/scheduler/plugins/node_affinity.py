"""Nodes by their labels and names: required ones, and preferred ones by weight."""

from pilothouse.engine.scheduler.framework.plugin import NodeFilter, NodeScore, Refusal, scaled
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs


class NodeAffinity:
    name = "NodeAffinity"
    _refusal = Refusal(name, ("node(s) didn't match Pod's node affinity/selector",), is_final=True)

    def narrow(self, needs: Needs) -> frozenset[str] | None:
        return needs.nodes.names

    def refusal(self) -> Refusal:
        return self._refusal

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        if needs.nodes.is_everything:
            return None
        wanted, refusal = needs.nodes, self._refusal

        def judge(node: NodeInfo) -> Refusal | None:
            return None if wanted.matches(node.name, node.labels) else refusal

        return judge

    def score_locally(self, needs: Needs) -> NodeScore | None:
        if not needs.preferred:
            return None

        def score(node: NodeInfo) -> int:
            return sum(weight for weight, term in needs.preferred if term.matches(node.name, node.labels))

        return score

    def normalise(self, scores: list[int]) -> list[int]:
        return scaled(scores)

    def hint(self, pod: PodInfo, event: Event) -> bool:
        if not isinstance(event, NodeChanged) or not event.changed & {"added", "labels"}:
            return False
        return pod.shape.needs.nodes.matches(event.node.name, event.node.labels)
