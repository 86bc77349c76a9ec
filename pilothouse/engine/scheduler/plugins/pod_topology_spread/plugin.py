"""topologySpreadConstraints: hard ones filter, soft ones score; pods without any are spread by default.

Source: kubernetes pkg/scheduler/framework/plugins/podtopologyspread; KEP-3022 (minDomains), KEP-3094 (node inclusion policies).
"""

import math
from collections.abc import Callable, Sequence

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeFilter, NodeScore, Refusal
from pilothouse.engine.scheduler.plugins.pod_topology_spread.questions import hard_question, soft_question
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft, PodPlaced
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.engine.scheduler.snapshot.spread import HOSTNAME, ZONE, Constraint
from pilothouse.model.selector import Selector

DEFAULTS = ((HOSTNAME, 3), (ZONE, 5))
"""What pods without constraints of their own are spread over, and the skew that is borne."""

IGNORED = -1

DefaultSelector = Callable[[Shape], tuple[bytes, Selector] | None]
"""Which pods one is to be spread from when it does not say so: those of its Services and its owner. With a mark of the selector."""


class PodTopologySpread:
    name = "PodTopologySpread"
    _missing = Refusal(name, ("node(s) didn't match pod topology spread constraints (missing required label)",), is_final=True)
    _skewed = Refusal(name, ("node(s) didn't match pod topology spread constraints",))

    def __init__(self, default_selector: DefaultSelector) -> None:
        self._default_selector = default_selector

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        shape = pod.shape
        hard = [each for each in shape.constraints if each.is_hard]
        if not hard:
            return None
        keys = tuple(each.topology_key for each in hard)
        bounds = [(each, snapshot.tallies.get(hard_question(each, keys, shape)), int(each.selector.matches(shape.labels))) for each in hard]

        def judge(node: NodeInfo) -> Refusal | None:
            for constraint, tally, itself in bounds:
                value = node.labels.get(constraint.topology_key)
                if value is None:
                    return self._missing
                lowest = tally.lowest if tally.domains >= constraint.min_domains else 0
                if tally.counts.get(value, 0) + itself - lowest > constraint.max_skew:
                    return self._skewed
            return None

        return judge

    def pre_score(self, pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> NodeScore | None:
        shape = pod.shape
        soft, is_default = [each for each in shape.constraints if not each.is_hard], not shape.constraints
        if is_default:
            soft = self._defaults(shape)
        if not soft:
            return None
        keys = () if is_default else tuple(each.topology_key for each in soft)
        scored = nodes if is_default else [node for node in nodes if all(key in node.labels for key in keys)]
        weighed = [
            (
                each.topology_key,
                each.max_skew - 1,
                _weight(each.topology_key, scored),
                snapshot.tallies.get(soft_question(each, keys, shape)).counts,
            )
            for each in soft
        ]

        def score(node: NodeInfo) -> int:
            """The fewer the better; IGNORED for a node that lacks a label."""
            labels, total = node.labels, 0.0
            for key, borne, weight, counts in weighed:
                value = labels.get(key)
                if value is not None:
                    total += counts.get(value, 0) * weight + borne
                elif not is_default:
                    return IGNORED
            return int(total + 0.5)

        return score

    def normalise(self, scores: list[int]) -> list[int]:
        counted = [score for score in scores if score != IGNORED]
        lowest, highest = min(counted, default=0), max(counted, default=0)
        if not highest:
            return [0 if score == IGNORED else MAX_SCORE for score in scores]
        return [0 if score == IGNORED else MAX_SCORE * (highest + lowest - score) // highest for score in scores]

    def hint(self, pod: PodInfo, event: Event) -> bool:
        shape = pod.shape
        match event:
            case PodPlaced(other) | PodLeft(other):
                alike = other.namespace == shape.namespace
                return alike and any(each.is_hard and each.selector.matches(other.shape.labels) for each in shape.constraints)
            case NodeChanged(_, changed):
                return bool(changed & {"added", "labels", "taints"})
        return False

    def _defaults(self, shape: Shape) -> list[Constraint]:
        found = self._default_selector(shape)
        if found is None:
            return []
        mark, selector = found
        return [Constraint(mark, key, skew, selector, is_hard=False) for key, skew in DEFAULTS]


def _weight(key: str, nodes: Sequence[NodeInfo]) -> float:
    """The more places there are, the more a pod in one of them counts, so that small topologies are not drowned by large ones."""
    size = len(nodes) if key == HOSTNAME else len({node.labels.get(key) for node in nodes})
    return math.log(size + 2)
