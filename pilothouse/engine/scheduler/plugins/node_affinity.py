"""Nodes by their labels and names, required ones and preferred ones by weight: the pod's, and what a profile adds for all its pods."""

from dataclasses import dataclass, field

from pilothouse.engine.scheduler.framework.plugin import NodeFilter, NodeScore, Refusal, scaled
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Needs
from pilothouse.model.node_selector import NodeTerm, RequiredNodes


@dataclass(frozen=True, slots=True)
class NodeAffinityArgs:
    """added, preferred: what a profile asks for beside what its pods do, as `Needs` has it."""

    added: RequiredNodes = field(default_factory=lambda: RequiredNodes((), None))
    preferred: tuple[tuple[int, NodeTerm], ...] = ()


class NodeAffinity:
    name = "NodeAffinity"
    _refusal = Refusal(name, ("node(s) didn't match Pod's node affinity/selector",), is_final=True)
    _enforced = Refusal(name, ("node(s) didn't match scheduler-enforced node affinity",), is_final=True)

    def __init__(self, args: NodeAffinityArgs | None = None) -> None:
        self._args = args or NodeAffinityArgs()

    def narrow(self, needs: Needs) -> frozenset[str] | None:
        return needs.nodes.names

    def refusal(self) -> Refusal:
        return self._refusal

    def filter_locally(self, needs: Needs) -> NodeFilter | None:
        added = self._args.added
        if needs.nodes.is_everything and added.is_everything:
            return None
        wanted, refusal = needs.nodes, self._refusal

        def judge(node: NodeInfo) -> Refusal | None:
            if not added.matches(node.name, node.labels):
                return self._enforced
            return None if wanted.matches(node.name, node.labels) else refusal

        return judge

    def score_locally(self, needs: Needs) -> NodeScore | None:
        terms = (*needs.preferred, *self._args.preferred)
        if not terms:
            return None

        def score(node: NodeInfo) -> int:
            return sum(weight for weight, term in terms if term.matches(node.name, node.labels))

        return score

    def normalise(self, scores: list[int]) -> list[int]:
        return scaled(scores)

    def hint(self, pod: PodInfo, event: Event) -> bool:
        if not isinstance(event, NodeChanged) or not event.changed & {"added", "labels"}:
            return False
        name, labels = event.node.name, event.node.labels
        return self._args.added.matches(name, labels) and pod.shape.needs.nodes.matches(name, labels)
