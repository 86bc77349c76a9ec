"""What a configuration says, once it is read and found right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.engine.scheduler.backoff import FIRST_S, MOST_S
from pilothouse.engine.scheduler.config.plugins import DEFAULT_WEIGHTS, PluginSet, taking_part
from pilothouse.engine.scheduler.framework.points import Point
from pilothouse.engine.scheduler.plugins.default_preemption.plugin import PreemptionArgs
from pilothouse.engine.scheduler.plugins.inter_pod_affinity.plugin import AffinityArgs
from pilothouse.engine.scheduler.plugins.node_affinity import NodeAffinityArgs
from pilothouse.engine.scheduler.plugins.node_resources.balanced_allocation import CPU_AND_MEMORY
from pilothouse.engine.scheduler.plugins.node_resources.fit import FitArgs
from pilothouse.engine.scheduler.plugins.pod_topology_spread.plugin import SYSTEM_DEFAULTS, DefaultConstraint
from pilothouse.model.scheduling import DEFAULT_SCHEDULER


@dataclass(frozen=True, slots=True)
class PluginArgs:
    """Of each plug-in that takes any. balanced: resources that are compared."""

    fit: FitArgs = field(default_factory=FitArgs)
    balanced: tuple[str, ...] = CPU_AND_MEMORY
    node_affinity: NodeAffinityArgs = field(default_factory=NodeAffinityArgs)
    spread: tuple[DefaultConstraint, ...] = SYSTEM_DEFAULTS
    affinity: AffinityArgs = field(default_factory=AffinityArgs)
    preemption: PreemptionArgs = field(default_factory=PreemptionArgs)


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """name: by which pods ask for it (`schedulerName`). enabled: names of plug-ins in order, by point. percentage: see `enough`."""

    name: str = DEFAULT_SCHEDULER
    enabled: Mapping[Point, Sequence[str]] = field(default_factory=lambda: taking_part(PluginSet(), {}))
    weights: Mapping[str, int] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    args: PluginArgs = field(default_factory=PluginArgs)
    percentage: int = 0


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """profiles: at least one, with different names. first_backoff_s, most_backoff_s: how long a pod rests that was tried in vain."""

    profiles: tuple[ProfileConfig, ...] = (ProfileConfig(),)
    first_backoff_s: float = FIRST_S
    most_backoff_s: float = MOST_S

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.profiles]
