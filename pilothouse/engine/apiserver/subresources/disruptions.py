"""Whether a pod's disruption budget lets it be evicted, and what an eviction takes from it (pure).

Source: Kubernetes 1.36, pkg/registry/core/pod/storage/eviction.go.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Forbidden, TooManyRequests
from pilothouse.model.json import Object
from pilothouse.model.selector import SelectorError, from_label_selector

MOST_PENDING = 2000
"""Evictions of one budget that the disruption controller has not seen yet."""
TARGET: Object = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}
_VIOLATES = "Cannot evict pod as it would violate the pod's disruption budget."
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
_PROCESSED_S = 10


def is_free(pod: Object) -> bool:
    """Whether no budget is asked: the pod has ended, has not begun, or is on its way out."""
    return meta.is_deleting(pod) or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed", "Pending")


def budget_of(pod: Object, budgets: Iterable[Object]) -> Object | None:
    """budgets: all of the pod's namespace. Raises ApiError 500 where several are the pod's."""
    found = [budget for budget in budgets if _covers(budget, pod)]
    if len(found) > 1:
        raise ApiError(_SEVERAL, code=500, reason="")
    return found[0] if found else None


def _covers(budget: Object, pod: Object) -> bool:
    try:
        return from_label_selector((budget.get("spec") or {}).get("selector")).matches(meta.labels(pod))
    except SelectorError:
        return False


def costs_nothing(budget: Object, pod: Object) -> bool:
    """Whether the pod is not ready, so that its end takes nothing from the budget, and the budget lets such pods go."""
    if meta.is_true(pod, "Ready"):
        return False
    status = budget.get("status") or {}
    wanted = status.get("desiredHealthy") or 0
    always = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    return always or 0 < wanted <= (status.get("currentHealthy") or 0)


def spent(budget: Object, pod: str, now: str) -> Object:
    """The budget's status once the pod is evicted. Raises TooManyRequests, Forbidden."""
    status: Object = budget.get("status") or {}
    name = meta.name(budget)
    if (status.get("observedGeneration") or 0) < meta.generation(budget):
        raise still_processed(name)
    allowed, pending = status.get("disruptionsAllowed") or 0, status.get("disruptedPods") or {}
    if len(pending) > MOST_PENDING:
        why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        raise Forbidden.of("poddisruptionbudget", name, why, "policy")
    if allowed <= 0:
        raise _refused(_why_none(budget, status))
    left: Object = status | {"disruptionsAllowed": allowed - 1, "disruptedPods": pending | {pod: now}}
    if allowed == 1:
        condition: Object = {"type": "DisruptionAllowed", "status": "False", "reason": "InsufficientPods", "message": ""}
        condition["observedGeneration"] = meta.generation(budget)
        left["conditions"] = meta.with_condition(status.get("conditions"), condition, now)
    return left


def _why_none(budget: Object, status: Object) -> str:
    name = meta.name(budget)
    condition = meta.condition(budget, "DisruptionAllowed") or {}
    if condition.get("status") == "False" and condition.get("reason") == "SyncFailed":
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {condition.get('message', '')}"
    wanted, current = status.get("desiredHealthy") or 0, status.get("currentHealthy") or 0
    return f"The disruption budget {name} needs {wanted} healthy pods and has {current} currently"


def still_processed(name: str) -> TooManyRequests:
    return _refused(f"The disruption budget {name} is still being processed by the server.", _PROCESSED_S)


def _refused(why: str, retry_s: int = 0) -> TooManyRequests:
    details: Object = {"retryAfterSeconds": retry_s} if retry_s else {}
    return TooManyRequests(_VIOLATES, details=details | {"causes": [{"reason": "DisruptionBudget", "message": why}]})
