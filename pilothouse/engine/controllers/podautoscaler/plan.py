"""From what the metrics ask for to what is done: the new number of replicas, and what the autoscaler's conditions say about it. Pure.

Source: Kubernetes 1.36, pkg/controller/podautoscaler/horizontal.go (reconcileAutoscaler, computeReplicasForMetrics).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.engine.controllers.podautoscaler import facts, pace
from pilothouse.engine.controllers.podautoscaler.history import History
from pilothouse.model.json import Object

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


class Condition(NamedTuple):
    type: str
    is_true: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one metric asks for. name: of the metric, for people. status: its entry in the autoscaler's status."""

    replicas: int
    name: str
    status: Object


@dataclass(frozen=True, slots=True)
class Failure:
    """A metric that could not be had. reason: of condition and event; message: why. context: what was asked of which metric."""

    reason: str
    message: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """replicas: None when nothing could be decided. why: of a change. metrics: the status of each metric, None where none was asked.

    recommended: what the metrics ask for, before anything holds it back. trouble: of metrics that could not be had, "" for none.
    is_awaited: figures of a new pod are on their way.
    """

    replicas: int | None
    conditions: tuple[Condition, ...] = ()
    why: str = ""
    metrics: list[Object] | None = None
    recommended: int | None = None
    trouble: str = ""
    events: tuple[Failure, ...] = field(default=())
    is_awaited: bool = False


def without_metrics(hpa: Object, current: int) -> Decision | None:
    """What needs no metrics: a target that is switched off, or outside of the bounds. None: metrics have to be asked."""
    if current == 0 and facts.least(hpa) != 0:
        text = "scaling is disabled since the replica count of the target is zero"
        return Decision(0, (Condition(ACTIVE, False, "ScalingDisabled", text),))
    if current > facts.most(hpa):
        return Decision(facts.most(hpa), why="Current number of replicas above Spec.MaxReplicas")
    if current < facts.least(hpa):
        return Decision(facts.least(hpa), why="Current number of replicas below Spec.MinReplicas")
    return None


def by_metrics(hpa: Object, current: int, found: Sequence[Proposal | Failure], history: History, now: float) -> Decision:
    """found: of each metric, in the order of the spec. now: on the history's clock.

    The highest proposal counts. A metric that could not be had forbids to go down, since it might have asked for more.
    """
    proposals = [each for each in found if isinstance(each, Proposal)]
    failures = tuple(each for each in found if isinstance(each, Failure))
    statuses = [each.status if isinstance(each, Proposal) else {"type": ""} for each in found]
    trouble = _trouble(failures, len(found))
    best = max(proposals, key=lambda each: each.replicas, default=None)
    if best is None or (failures and best.replicas < current):
        first = failures[0]
        unable = Condition(ACTIVE, False, first.reason, f"the HPA was unable to compute the replica count: {first.message}")
        return Decision(None, (unable,), metrics=statuses, trouble=trouble, events=failures)
    wanted = best.replicas
    valid = f"the HPA was able to successfully calculate a replica count from {best.name}"
    bounds = pace.Bounds(current, facts.least(hpa), facts.most(hpa))
    paced = pace.paced(wanted, bounds, facts.behavior(hpa), history, now)
    conditions = (
        Condition(ACTIVE, True, "ValidMetricFound", valid),
        Condition(ABLE, True, *paced.stabilized),
        Condition(LIMITED, paced.is_limited, *paced.limited),
    )
    why = f"{best.name} above target" if wanted > current else "All metrics below target" if wanted < current else ""
    return Decision(paced.replicas, conditions, why, statuses, wanted, trouble, failures)


def _trouble(failures: Sequence[Failure], asked: int) -> str:
    if not failures:
        return ""
    first = failures[0]
    text = f"{first.context}: {first.message}" if first.context else first.message
    return f"invalid metrics ({len(failures)} invalid out of {asked}), first error is: {text}"
