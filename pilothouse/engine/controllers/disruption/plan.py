"""What a PodDisruptionBudget allows, given its pods and the scale of what owns them (pure).

Source: Kubernetes 1.36, pkg/controller/disruption/disruption.go; component-helpers/apps/poddisruptionbudget.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.model import meta
from pilothouse.model.digits import natural
from pilothouse.model.json import Object

EXPIRY_S = 120.0
"""A pod whose eviction was granted, and that is still there after this, is not going to be evicted."""
CONDITION, TARGET = "DisruptionAllowed", "DisruptionTarget"


class Wanted(NamedTuple):
    """expected: how many pods there should be. healthy: how many of them have to be."""

    expected: int
    healthy: int


@dataclass(frozen=True, slots=True)
class Granted:
    """Evictions that were granted. pending: by pod, since when. stale: pods that stayed. again_s: until the next one is stale."""

    pending: dict[str, str] = field(default_factory=dict)
    stale: list[Object] = field(default_factory=list)
    again_s: float | None = None


def needs_scale(budget: Object) -> bool:
    """Whether the number of pods that there should be matters."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def wanted(budget: Object, count: int, scale: int) -> Wanted:
    """count: the pods that there are. scale: those that there should be; it counts where `needs_scale`."""
    spec = budget.get("spec") or {}
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None:
        return Wanted(scale, max(0, scale - _share(most, scale)))
    if isinstance(least, str):
        return Wanted(scale, _share(least, scale))
    return Wanted(count, least or 0)


def _share(value: Any, total: int) -> int:
    """A number, or a percentage rounded up."""
    return math.ceil((natural(value.removesuffix("%")) or 0) * total / 100) if isinstance(value, str) else value


def granted(budget: Object, pods: Iterable[Object], now: float) -> Granted:
    noted: dict[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    pending, stale = {}, []
    for pod in pods:
        since = noted.get(meta.name(pod))
        if since is None or meta.is_deleting(pod):
            continue
        if meta.parse_rfc3339(since) + EXPIRY_S < now:
            stale.append(pod)
        else:
            pending[meta.name(pod)] = since
    ends = [meta.parse_rfc3339(since) + EXPIRY_S for since in pending.values()]
    return Granted(pending, stale, max(0.0, min(ends) - now) if ends else None)


def healthy(pods: Sequence[Object], pending: dict[str, str]) -> int:
    """Pods that are ready and stay."""
    return sum(pod_facts.is_ready(pod) and not meta.is_deleting(pod) and meta.name(pod) not in pending for pod in pods)


def status(budget: Object, current: int, want: Wanted, pending: dict[str, str], now: float) -> Object:
    """A budget that expects no pods allows none, so that the first of them are safe until they are counted."""
    allowed = max(0, current - want.healthy) if want.expected > 0 else 0
    found: Object = {
        "currentHealthy": current,
        "desiredHealthy": want.healthy,
        "expectedPods": want.expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": meta.generation(budget),
    }
    reason = "SufficientPods" if allowed > 0 else "InsufficientPods"
    return found | ({"disruptedPods": pending} if pending else {}) | {"conditions": _conditions(budget, allowed > 0, reason, "", now)}


def failed(budget: Object, why: str, now: float) -> Object:
    """Nothing is allowed while it is not known what may be."""
    before = budget.get("status") or {}
    return before | {"disruptionsAllowed": 0, "conditions": _conditions(budget, False, "SyncFailed", why, now)}


def _conditions(budget: Object, value: bool, reason: str, message: str, now: float) -> list[Object]:
    condition: Object = {"type": CONDITION, "status": str(value), "reason": reason, "message": message}
    condition["observedGeneration"] = meta.generation(budget)
    return meta.with_condition((budget.get("status") or {}).get("conditions"), condition, meta.rfc3339(now))


def target_ends_s(pod: Object, now: float) -> float | None:
    """How long the pod may go on to say that it is about to be disrupted; None when it does not, or is on its way out."""
    found = meta.condition(pod, TARGET)
    if found is None or found.get("status") != "True" or meta.is_deleting(pod) or pod_facts.is_finished(pod):
        return None
    return meta.parse_rfc3339(found.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]) + EXPIRY_S - now
