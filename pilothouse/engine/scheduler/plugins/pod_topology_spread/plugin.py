"""topologySpreadConstraints: hard ones filter, soft ones score; pods without any are spread by default.

Source: kubernetes pkg/scheduler/framework/plugins/podtopologyspread; KEP-3022 (minDomains), KEP-3094 (node inclusion policies).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pilothouse.engine.scheduler.framework.plugin import MAX_SCORE, NodeFilter, Refusal
from pilothouse.engine.scheduler.plugins.pod_topology_spread.questions import hard_question, soft_question
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft, PodPlaced
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.engine.scheduler.snapshot.spread import HOSTNAME, ZONE, Constraint
from pilothouse.engine.scheduler.snapshot.tally import Tally
from pilothouse.model.selector import Selector


@dataclass(frozen=True, slots=True)
class DefaultConstraint:
    """Of pods without constraints of their own. max_skew: the skew that is borne. is_hard: DoNotSchedule."""

    topology_key: str
    max_skew: int
    is_hard: bool = False


SYSTEM_DEFAULTS = (DefaultConstraint(HOSTNAME, 3), DefaultConstraint(ZONE, 5))
"""What holds where the profile says nothing. Nodes without one of these labels are scored all the same."""

IGNORED = -1

DefaultSelector = Callable[[Shape], tuple[bytes, Selector] | None]
"""Which pods one is to be spread from when it does not say so: those of its Services and its owner. With a mark of the selector."""


class PodTopologySpread:
    name = "PodTopologySpread"
    _missing = Refusal(name, ("node(s) didn't match pod topology spread constraints (missing required label)",), is_final=True)
    _skewed = Refusal(name, ("node(s) didn't match pod topology spread constraints",))

    def __init__(self, default_selector: DefaultSelector, defaults: Sequence[DefaultConstraint] = SYSTEM_DEFAULTS) -> None:
        self._default_selector = default_selector
        self._defaults = tuple(defaults)
        self._are_systems = self._defaults == SYSTEM_DEFAULTS
        self._has_hard_defaults = any(each.is_hard for each in self._defaults)

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        shape = pod.shape
        hard = self._hard(shape)
        if not hard:
            return None
        keys = tuple(each.topology_key for each in hard)
        bounds = [_Bound(each, snapshot.tallies.get(hard_question(each, keys, shape)), shape) for each in hard]
        missing, skewed = self._missing, self._skewed

        def judge(node: NodeInfo) -> Refusal | None:
            labels = node.labels
            for bound in bounds:
                value = labels.get(bound.key)
                if value is None:
                    return missing
                if bound.tally.changes != bound.seen:
                    bound.look()
                if bound.counts.get(value, 0) > bound.most:
                    return skewed
            return None

        return judge

    def score(self, pod: PodInfo, snapshot: Snapshot, nodes: Sequence[NodeInfo]) -> list[int] | None:
        """The fewer the better; IGNORED for a node that lacks a label of the pod's own constraints."""
        shape = pod.shape
        soft = [each for each in shape.constraints or self._constraints(shape) if not each.is_hard]
        if not soft:
            return None
        needs_no_keys = not shape.constraints and self._are_systems
        keys = () if needs_no_keys else tuple(each.topology_key for each in soft)
        scored = nodes if needs_no_keys else [node for node in nodes if all(key in node.labels for key in keys)]
        totals = [0.0] * len(nodes)
        for each in soft:
            values = [node.labels.get(each.topology_key) for node in nodes]
            counts = snapshot.tallies.get(soft_question(each, keys, shape)).counts
            weight, borne = _weight(each.topology_key, scored), each.max_skew - 1
            totals = [
                total if value is None else total + counts.get(value, 0) * weight + borne
                for total, value in zip(totals, values, strict=True)
            ]
        rounded = [int(total + 0.5) for total in totals]
        if len(scored) < len(nodes):
            counted = {node.name for node in scored}
            return [score if node.name in counted else IGNORED for node, score in zip(nodes, rounded, strict=True)]
        return rounded

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
                return alike and any(each.selector.matches(other.shape.labels) for each in self._hard(shape))
            case NodeChanged(_, changed):
                return bool(changed & {"added", "removed", "labels", "taints"})
        return False

    def _hard(self, shape: Shape) -> list[Constraint]:
        stated = shape.constraints or (self._constraints(shape) if self._has_hard_defaults else ())
        return [each for each in stated if each.is_hard]

    def _constraints(self, shape: Shape) -> list[Constraint]:
        """Of a pod that has none itself."""
        found = self._default_selector(shape) if self._defaults else None
        if found is None:
            return []
        mark, selector = found
        return [Constraint(mark, each.topology_key, each.max_skew, selector, each.is_hard) for each in self._defaults]


class _Bound:
    """Of one hard constraint. most: how many alike a place may have before the pod comes; right while the tally's `changes` are `seen`."""

    __slots__ = ("_borne", "_min_domains", "counts", "key", "most", "seen", "tally")

    def __init__(self, constraint: Constraint, tally: Tally, shape: Shape) -> None:
        self.key = constraint.topology_key
        self.counts = tally.counts
        self.tally = tally
        self._min_domains = constraint.min_domains
        self._borne = constraint.max_skew - int(constraint.selector.matches(shape.labels))
        self.look()

    def look(self) -> None:
        tally = self.tally
        self.seen = tally.changes
        self.most = self._borne + (tally.lowest if tally.domains >= self._min_domains else 0)


def _weight(key: str, nodes: Sequence[NodeInfo]) -> float:
    """The more places there are, the more a pod in one of them counts, so that small topologies are not drowned by large ones."""
    size = len(nodes) if key == HOSTNAME else len({node.labels.get(key) for node in nodes})
    return math.log(size + 2)
