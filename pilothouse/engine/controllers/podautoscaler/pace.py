"""How far an autoscaler goes at once: what it has recommended lately, its policies, its bounds. Pure.

Source: Kubernetes 1.36, pkg/controller/podautoscaler/horizontal.go (normalizeDesiredReplicas, with and without behaviors).
"""

import math
from dataclasses import dataclass

from pilothouse.engine.controllers.podautoscaler.facts import DOWNSCALE_WINDOW_S, Behavior, Policy, Rules
from pilothouse.engine.controllers.podautoscaler.history import History, changed, since

_READY = ("ReadyForNewScale", "recommended size matches current size")
_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_UP_STABILIZED = ("ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation")
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_UP_LIMIT = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_DOWN_LIMIT = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
_UP_FACTOR, _UP_LEAST = 2, 4
"""Without a behavior there are at most twice as many pods after a step, or this many."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """current: the replicas that the target asks for."""

    current: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Paced:
    """stabilized, limited: reason and message of the conditions AbleToScale and ScalingLimited; is_limited: the latter's status."""

    replicas: int
    stabilized: tuple[str, str]
    limited: tuple[str, str]
    is_limited: bool


def paced(wanted: int, bounds: Bounds, behavior: Behavior | None, history: History, now: float) -> Paced:
    """wanted: what the metrics ask for. now: on the history's clock."""
    if behavior is None:
        return _plainly(wanted, bounds, history, now)
    steady = _steady(wanted, bounds.current, behavior, history, now)
    stabilized = _READY if steady == wanted else _UP_STABILIZED if wanted >= bounds.current else _DOWN_STABILIZED
    replicas, limited = _by_policies(steady, bounds, behavior, history, now)
    return Paced(replicas, stabilized, limited, replicas != steady)


def keep_s(behavior: Behavior | None) -> float:
    """How long recommendations are of use."""
    return DOWNSCALE_WINDOW_S if behavior is None else max(behavior.up.window_s, behavior.down.window_s)


def _plainly(wanted: int, bounds: Bounds, history: History, now: float) -> Paced:
    recent = since(history.recommendations, now - DOWNSCALE_WINDOW_S)
    steady = max([wanted, *(entry.replicas for entry in recent)])
    limit = max(_UP_FACTOR * bounds.current, _UP_LEAST)
    most, why = (limit, _UP_LIMIT) if bounds.most > limit else (bounds.most, _TOO_MANY)
    replicas, limited = steady, _WITHIN
    if steady < bounds.least:
        replicas, limited = bounds.least, _TOO_FEW
    elif steady > most:
        replicas, limited = most, why
    return Paced(replicas, _READY if steady == wanted else _DOWN_STABILIZED, limited, replicas != steady)


def _steady(wanted: int, current: int, behavior: Behavior, history: History, now: float) -> int:
    """As near to the present number as recent recommendations allow: the lowest of them upwards, the highest downwards."""
    lowest = min([wanted, *(entry.replicas for entry in since(history.recommendations, now - behavior.up.window_s))])
    highest = max([wanted, *(entry.replicas for entry in since(history.recommendations, now - behavior.down.window_s))])
    return min(max(current, lowest), highest)


def _by_policies(wanted: int, bounds: Bounds, behavior: Behavior, history: History, now: float) -> tuple[int, tuple[str, str]]:
    if wanted > bounds.current:
        limit = max(bounds.current, _limit(behavior.up, bounds.current, history, now, is_up=True))
        most, why = (limit, _UP_LIMIT) if bounds.most > limit else (bounds.most, _TOO_MANY)
        return (most, why) if wanted > most else (wanted, _WITHIN)
    if wanted < bounds.current:
        limit = min(bounds.current, _limit(behavior.down, bounds.current, history, now, is_up=False))
        least, why = (limit, _DOWN_LIMIT) if bounds.least < limit else (bounds.least, _TOO_FEW)
        return (least, why) if wanted < least else (wanted, _WITHIN)
    return wanted, _WITHIN


def _limit(rules: Rules, current: int, history: History, now: float, *, is_up: bool) -> int:
    """The most pods there may be after a step up, the fewest after a step down."""
    if rules.select == "Disabled" or not rules.policies:
        return current
    limits = [_allowed(policy, current, history, now, is_up=is_up) for policy in rules.policies]
    # The policy that changes most is the highest number upwards and the lowest downwards.
    return max(limits) if is_up == (rules.select != "Min") else min(limits)


def _allowed(policy: Policy, current: int, history: History, now: float, *, is_up: bool) -> int:
    begin = now - policy.period_s
    start = current - changed(history.ups, begin) + changed(history.downs, begin)
    if not policy.is_percent:
        return start + policy.value if is_up else start - policy.value
    if is_up:
        # Rounded up, as fewer than one pod more would be none, for ever.
        return math.ceil(start * (1 + policy.value / 100))
    return int(start * (1 - policy.value / 100))
