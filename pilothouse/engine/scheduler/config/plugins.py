"""From the sets of plug-ins that a profile enables and disables to those that take part at each point.

What is enabled at `multiPoint` takes part wherever it can, unless its point says otherwise. The default set of `multiPoint` are all
plug-ins, in upstream's order and with upstream's weights.
Source: kubernetes pkg/scheduler/apis/config/v1/default_plugins.go, framework/runtime (expandMultiPointPlugins).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.engine.scheduler.framework.points import Point, points_of
from pilothouse.engine.scheduler.plugins.default_binder import DefaultBinder
from pilothouse.engine.scheduler.plugins.default_preemption import DefaultPreemption
from pilothouse.engine.scheduler.plugins.image_locality import ImageLocality
from pilothouse.engine.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pilothouse.engine.scheduler.plugins.node_affinity import NodeAffinity
from pilothouse.engine.scheduler.plugins.node_ports import NodePorts
from pilothouse.engine.scheduler.plugins.node_resources.balanced_allocation import BalancedAllocation
from pilothouse.engine.scheduler.plugins.node_resources.fit import NodeResourcesFit
from pilothouse.engine.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pilothouse.engine.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pilothouse.engine.scheduler.plugins.priority_sort import PrioritySort
from pilothouse.engine.scheduler.plugins.scheduling_gates import SchedulingGates
from pilothouse.engine.scheduler.plugins.taint_toleration import TaintToleration
from pilothouse.engine.scheduler.plugins.volume_binding import VolumeBinding
from pilothouse.engine.scheduler.plugins.volume_limits import NodeVolumeLimits
from pilothouse.engine.scheduler.plugins.volume_zone import VolumeZone

ALL = "*"
_CLASSES = (
    *(SchedulingGates, PrioritySort, NodeUnschedulable, TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit),
    *(NodeVolumeLimits, VolumeBinding, VolumeZone),
    *(PodTopologySpread, InterPodAffinity, DefaultPreemption, BalancedAllocation, ImageLocality, DefaultBinder),
)
POINTS: Mapping[str, frozenset[Point]] = {each.name: points_of(each.name, each) for each in _CLASSES}
"""Every plug-in that there is, in the default order, and where it can take part."""
DEFAULT_WEIGHTS: Mapping[str, int] = {name: 1 for name, points in POINTS.items() if Point.SCORE in points} | {
    TaintToleration.name: 3,
    NodeAffinity.name: 2,
    PodTopologySpread.name: 2,
    InterPodAffinity.name: 2,
}


@dataclass(frozen=True, slots=True)
class PluginSet:
    """enabled: in order, with weights (0: none stated). disabled: names, or ALL for those that are on by default."""

    enabled: tuple[tuple[str, int], ...] = ()
    disabled: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.enabled]

    def keeps(self, name: str) -> bool:
        """Whether a plug-in stays that is on by default."""
        return not self.disabled & {name, ALL}


def taking_part(everywhere: PluginSet, at: Mapping[Point, PluginSet]) -> dict[Point, tuple[str, ...]]:
    """Names of plug-ins in order, by point. everywhere: of `multiPoint`."""
    common = _with_defaults(everywhere)
    return {point: tuple(_at(point, at.get(point, PluginSet()), common)) for point in Point}


def weights(everywhere: PluginSet, score: PluginSet) -> dict[str, int]:
    """Of scores: what is said at `score` goes before what is said at `multiPoint`, and that before the default."""
    found = dict(DEFAULT_WEIGHTS)
    for stated in (everywhere, score):
        for name, weight in stated.enabled:
            if name in found:
                # Enabled without a weight is enabled anew: upstream's 1, not the default set's weight.
                found[name] = weight or 1
    return found


def _with_defaults(everywhere: PluginSet) -> list[str]:
    kept = [name for name in POINTS if everywhere.keeps(name)]
    return [*kept, *(name for name in everywhere.names if name not in kept)]


def _at(point: Point, stated: PluginSet, common: Iterable[str]) -> Sequence[str]:
    """Those come first that the point names and that are on anyway, in its order; then the others that are on; then more of its own."""
    on = [name for name in common if point in POINTS[name] and (name in stated.names or stated.keeps(name))]
    named = stated.names
    if ALL in stated.disabled:
        return named
    first = [name for name in named if name in on and name not in stated.disabled]
    rest = [name for name in on if name not in named]
    return [*first, *rest, *(name for name in named if name not in first)]
