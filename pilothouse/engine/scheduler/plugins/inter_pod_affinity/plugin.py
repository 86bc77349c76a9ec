"""Pod affinity and anti-affinity.

Source: kubernetes pkg/scheduler/framework/plugins/interpodaffinity.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeFilter, Refusal
from pilothouse.engine.scheduler.plugins.inter_pod_affinity.questions import about_all, about_one
from pilothouse.engine.scheduler.snapshot.events import Event, NamespaceChanged, NodeChanged, PodLeft, PodPlaced, VolumesChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.engine.scheduler.snapshot.tally import Tally
from pilothouse.engine.scheduler.snapshot.terms import NamespaceLabels, Term


@dataclass(frozen=True, slots=True)
class AffinityArgs:
    """hard_weight: what a required affinity of a pod that is there adds to a place, for pods that it is about. ignores_theirs: pods without
    preferred terms of their own are not scored by those of others."""

    hard_weight: int = 1
    ignores_theirs: bool = False


class InterPodAffinity:
    name = "InterPodAffinity"
    _near = Refusal(name, ("node(s) didn't match pod affinity rules",), is_final=True)
    _apart = Refusal(name, ("node(s) didn't match pod anti-affinity rules",))
    _theirs = Refusal(name, ("node(s) didn't satisfy existing pods anti-affinity rules",))

    def __init__(self, labels_of: NamespaceLabels, args: AffinityArgs | None = None) -> None:
        self._labels_of = labels_of
        self._args = args or AffinityArgs()

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        shape = pod.shape
        held = [(term.topology_key, tally.counts) for term, tally in snapshot.holders.about("anti", shape)]
        if not (held or shape.affinity or shape.anti):
            return None
        near = [snapshot.tallies.get(each) for each in about_all(shape.affinity)]
        apart = [(term.topology_key, snapshot.tallies.get(about_one(term)).counts) for term in shape.anti]
        # The first of a set of pods that want each other must be able to go somewhere.
        may_be_first = all(self._selects(term, shape) for term in shape.affinity)

        def judge(node: NodeInfo) -> Refusal | None:
            labels = node.labels
            if near and not _is_near(near, labels, may_be_first):
                return self._near
            for key, counts in apart:
                if labels.get(key) in counts:
                    return self._apart
            for key, counts in held:
                if labels.get(key) in counts:
                    return self._theirs
            return None

        return judge

    def score(self, pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> list[int] | None:
        shape, about = pod.shape, snapshot.holders.about
        if self._args.ignores_theirs and not shape.preferred:
            return None
        weighed = [(term.topology_key, term.weight, snapshot.tallies.get(about_one(term)).counts) for term in shape.preferred]
        weighed += [(term.topology_key, term.weight, tally.counts) for term, tally in about("preferred", shape)]
        if hard_weight := self._args.hard_weight:
            weighed += [(term.topology_key, hard_weight, tally.counts) for term, tally in about("affinity", shape)]
        weighed = [each for each in weighed if each[2]]
        if not weighed:
            return None
        totals = [0] * len(nodes)
        for key, weight, counts in weighed:
            values = [node.labels.get(key) for node in nodes]
            totals = [
                total if value is None else total + weight * counts.get(value, 0) for total, value in zip(totals, values, strict=True)
            ]
        return totals

    def normalise(self, scores: list[int]) -> list[int]:
        lowest, highest = min(scores), max(scores)
        if lowest == highest:
            return [0] * len(scores)
        return [MAX_SCORE * (score - lowest) // (highest - lowest) for score in scores]

    def hint(self, pod: PodInfo, event: Event) -> bool:
        match event:
            case PodPlaced(other):
                return any(self._selects(term, other.shape) for term in pod.shape.affinity)
            case PodLeft(other):
                theirs = any(self._selects(term, pod.shape) for term in other.shape.anti)
                return theirs or any(self._selects(term, other.shape) for term in (*pod.shape.anti, *pod.shape.affinity))
            case NodeChanged(_, changed):
                return bool(changed & {"added", "labels"})
            case NamespaceChanged():
                return True
            case VolumesChanged():
                return False

    def _selects(self, term: Term, shape: Shape) -> bool:
        return term.selects(shape.namespace, shape.labels, self._labels_of)


def _is_near(near: Sequence[Tally], labels: Mapping[str, str], may_be_first: bool) -> bool:
    is_met = True
    for tally in near:
        value = labels.get(tally.question.topology_key)
        if value is None:
            return False
        is_met = is_met and value in tally.counts
    return is_met or (may_be_first and not any(tally.total for tally in near))
