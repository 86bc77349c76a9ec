"""What a Deployment shows of itself: counts, and the conditions Available, Progressing and ReplicaFailure.

Source: Kubernetes 1.36, deployment controller's progress.go and sync.go.
"""

from collections.abc import Sequence

from pilothouse.engine.controllers.deployment import facts
from pilothouse.model import meta
from pilothouse.model.json import Object

COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"


def of(deployment: Object, new: Object | None, sets: Sequence[Object], now: float) -> Object:
    """Counts and availability; the other conditions as they are. sets: all, `new` included."""
    wanted, available = facts.size(deployment), facts.actual(sets, "availableReplicas")
    counts = {
        "replicas": facts.actual(sets),
        "updatedReplicas": 0 if new is None else facts.actual([new]),
        "readyReplicas": facts.actual(sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, facts.total(sets) - available),
    }
    shown: Object = {"observedGeneration": meta.generation(deployment)}
    shown |= {name: count for name, count in counts.items() if count}
    shown["terminatingReplicas"] = facts.actual(sets, "terminatingReplicas")
    collisions = facts.status(deployment).get("collisionCount")
    if collisions is not None:
        shown["collisionCount"] = collisions
    enough = available >= wanted - facts.max_unavailable(deployment)
    return with_condition(shown | {"conditions": _conditions(facts.status(deployment))}, _availability(enough), now)


def _availability(enough: bool) -> Object:
    if enough:
        return condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return condition("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def condition(type: str, status: str, reason: str, message: str) -> Object:
    return {"type": type, "status": status, "reason": reason, "message": message}


def _conditions(shown: Object) -> list[Object]:
    return list(shown.get("conditions") or [])


def _find(shown: Object, type: str) -> Object | None:
    return next((each for each in _conditions(shown) if each.get("type") == type), None)


def _without(shown: Object, type: str) -> Object:
    return shown | {"conditions": [each for each in _conditions(shown) if each.get("type") != type]}


def with_condition(shown: Object, new: Object, now: float) -> Object:
    """The status with the condition set; one of the same status and reason stays untouched, times included."""
    old = _find(shown, new["type"])
    if old is not None and (old.get("status"), old.get("reason")) == (new["status"], new["reason"]):
        return shown
    since = meta.rfc3339(now)
    kept_since = old.get("lastTransitionTime") if old is not None and old.get("status") == new["status"] else None
    stamped = new | {"lastUpdateTime": since, "lastTransitionTime": kept_since or since}
    rest = _without(shown, new["type"])
    return rest | {"conditions": [*rest["conditions"], stamped]}


def rolled(deployment: Object, new: Object | None, sets: Sequence[Object], now: float) -> Object:
    """The status during a rollout: how far it is, whether it has stalled, whether pods cannot be made."""
    shown = of(deployment, new, sets, now)
    if not facts.has_deadline(deployment):
        shown = _without(shown, "Progressing")
    elif not _was_complete(deployment, shown):
        shown = _with_progress(deployment, new, shown, now)
    return _with_failure(deployment, new, sets, shown, now)


def _was_complete(deployment: Object, shown: Object) -> bool:
    progress = _find(facts.status(deployment), "Progressing")
    return progress is not None and progress.get("reason") == COMPLETE and shown.get("replicas", 0) == shown.get("updatedReplicas", 0)


def _with_progress(deployment: Object, new: Object | None, shown: Object, now: float) -> Object:
    subject = f'Deployment "{meta.name(deployment)}"' if new is None else f'ReplicaSet "{meta.name(new)}"'
    if facts.is_complete(deployment, shown):
        return with_condition(shown, condition("Progressing", "True", COMPLETE, f"{subject} has successfully progressed."), now)
    if _has_progressed(facts.status(deployment), shown):
        return _progressing(shown, condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing."), now)
    if is_timed_out(deployment, shown, now):
        return with_condition(shown, condition("Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing."), now)
    return shown


def _progressing(shown: Object, new: Object, now: float) -> Object:
    """Progress renews lastUpdateTime each time: the deadline runs from the last one."""
    old = _find(shown, "Progressing")
    kept_since = old.get("lastTransitionTime") if old is not None and old.get("status") == "True" else None
    stamped = new | {"lastUpdateTime": meta.rfc3339(now), "lastTransitionTime": kept_since or meta.rfc3339(now)}
    rest = _without(shown, "Progressing")
    return rest | {"conditions": [*rest["conditions"], stamped]}


def _has_progressed(before: Object, after: Object) -> bool:
    def count(shown: Object, field: str) -> int:
        return shown.get(field) or 0

    def outdated(shown: Object) -> int:
        return count(shown, "replicas") - count(shown, "updatedReplicas")

    grown = any(count(after, field) > count(before, field) for field in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return grown or outdated(after) < outdated(before)


def is_timed_out(deployment: Object, shown: Object, now: float) -> bool:
    progress = _find(shown, "Progressing")
    if not facts.has_deadline(deployment) or progress is None or progress.get("reason") == COMPLETE:
        return False
    return progress.get("reason") == TIMED_OUT or _deadline_left(deployment, progress, now) < 0


def _deadline_left(deployment: Object, progress: Object, now: float) -> float:
    began = progress.get("lastUpdateTime")
    deadline_s: float = facts.spec(deployment)["progressDeadlineSeconds"]
    return deadline_s if began is None else meta.parse_rfc3339(began) + deadline_s - now


def check_again_in(deployment: Object, shown: Object, now: float) -> float | None:
    """After how many seconds an unfinished rollout may have passed its deadline."""
    progress = _find(shown, "Progressing")
    if not facts.has_deadline(deployment) or progress is None or facts.is_complete(deployment, shown):
        return None
    if progress.get("reason") in (TIMED_OUT, COMPLETE, PAUSED):
        return None
    return max(1.0, _deadline_left(deployment, progress, now) + 1)


def _with_failure(deployment: Object, new: Object | None, sets: Sequence[Object], shown: Object, now: float) -> Object:
    """The new set's failure to make pods before an old one's."""
    first = [] if new is None else [new]
    failures = (_find(facts.status(each), "ReplicaFailure") for each in [*first, *sets])
    failure = next((each for each in failures if each is not None), None)
    if failure is None:
        return _without(shown, "ReplicaFailure")
    return with_condition(
        shown,
        condition("ReplicaFailure", failure["status"], failure.get("reason", ""), failure.get("message", "")),
        now,
    )


def paused(deployment: Object, now: float) -> Object | None:
    """The status with the pause, or its end, in the Progressing condition; None when it says so already."""
    shown = facts.status(deployment)
    progress = _find(shown, "Progressing")
    reason = None if progress is None else progress.get("reason")
    is_paused = bool(facts.spec(deployment).get("paused"))
    if not facts.has_deadline(deployment) or reason == TIMED_OUT or is_paused == (reason == PAUSED):
        return None
    new = (
        condition("Progressing", "Unknown", PAUSED, "Deployment is paused")
        if is_paused
        else condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
    )
    return with_condition(shown, new, now)
