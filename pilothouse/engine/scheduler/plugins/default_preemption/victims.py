"""Which pods of a node have to go for another, and on which node that hurts least. Pure.

Source: kubernetes pkg/scheduler/framework/plugins/defaultpreemption (SelectVictimsOnNode), framework/preemption (pickOneNodeForPreemption).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pilothouse.engine.scheduler.plugins.default_preemption.budgets import Budget, violating
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo

_NEVER = "~"
"""Later than any time."""


class Trial(Protocol):
    """A node, on which pods are taken off and put back to see what would be."""

    def take(self, pod: PodInfo) -> None: ...

    def put(self, pod: PodInfo) -> None: ...

    def fits(self) -> bool:
        """Whether the pod for which this is done fits now."""
        ...


@dataclass(frozen=True, slots=True)
class Victims:
    """pods: that have to go from the node, the most important first. violations: how many of them go against a budget."""

    node: str
    pods: tuple[PodInfo, ...]
    violations: int


def victims_on(node: str, pods: Iterable[PodInfo], priority: int, budgets: Sequence[Budget], trial: Trial) -> Victims | None:
    """As few and as unimportant as may be; None when the node is of no use even without all of them. The trial ends as it began.

    pods: all on the node. priority: of the pod that wants to come; only those of less may go.
    """
    lesser = sorted((pod for pod in pods if pod.priority < priority), key=importance)
    if not lesser:
        return None
    for pod in lesser:
        trial.take(pod)
    gone = list(lesser)
    try:
        if not trial.fits():
            return None
        against = violating(lesser, budgets)
        # Those that a budget protects are let stay first.
        for pod in [each for each in lesser if each.key in against] + [each for each in lesser if each.key not in against]:
            trial.put(pod)
            gone.remove(pod)
            if not trial.fits():
                trial.take(pod)
                gone.append(pod)
        chosen = tuple(sorted(gone, key=importance))
        return Victims(node, chosen, sum(pod.key in against for pod in chosen)) if chosen else None
    finally:
        for pod in gone:
            trial.put(pod)


def importance(pod: PodInfo) -> tuple[int, str, str]:
    """The more important come first: by priority, then those that have run for longer."""
    return -pod.priority, pod.started or _NEVER, pod.key


def least_harm(candidates: Sequence[Victims]) -> Victims:
    """Fewest violations of budgets, then the least important first victim, the lowest sum of priorities, the fewest victims, those that
    have run for the shortest time; of equals the first. candidates: at least one."""
    found = [each for each in candidates if each.violations == min(one.violations for one in candidates)]
    for harm in (_highest, _sum, _number):
        least = min(harm(each) for each in found)
        found = [each for each in found if harm(each) == least]
    latest = max(_earliest(each) for each in found)
    return next(each for each in found if _earliest(each) == latest)


def _highest(victims: Victims) -> int:
    return victims.pods[0].priority


def _sum(victims: Victims) -> int:
    # Each counts for more than nothing, however low its priority: more victims are more harm.
    return sum(pod.priority + (1 << 31) for pod in victims.pods)


def _number(victims: Victims) -> int:
    return len(victims.pods)


def _earliest(victims: Victims) -> str:
    """When the first of the most important victims started."""
    return min(pod.started or _NEVER for pod in victims.pods if pod.priority == victims.pods[0].priority)
