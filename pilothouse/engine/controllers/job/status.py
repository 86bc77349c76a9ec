"""The status of a Job: its counts, the pods that are not counted yet, its conditions."""

from collections.abc import Iterable

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.job import facts, indexes
from pilothouse.engine.controllers.job.plan import Tally, Verdict
from pilothouse.model import meta
from pilothouse.model.json import Object


def settle(job: Object, held: set[str]) -> Object:
    """The status with every uncounted pod whose finalizer is gone moved into the counts. held: uids that still have it."""
    status = dict(facts.status(job))
    waiting = status.get("uncountedTerminatedPods") or {}
    left: Object = {}
    for name in ("succeeded", "failed"):
        uids = waiting.get(name) or []
        counted = [uid for uid in uids if uid not in held]
        still = [uid for uid in uids if uid in held]
        if counted:
            status[name] = (status.get(name) or 0) + len(counted)
        if still:
            left[name] = still
    status["uncountedTerminatedPods"] = left
    return status


def note(status: Object, tally: Tally, *, indexed: bool) -> Object:
    """The status with newly finished pods noted: those of an Indexed job by index, others by uid."""
    waiting = dict(status.get("uncountedTerminatedPods") or {})
    noted = dict(status)
    if indexed and tally.succeeded_indexes:
        noted |= {"succeeded": tally.succeeded, "completedIndexes": indexes.render(tally.succeeded_indexes)}
    if indexed and tally.backoff.failed:
        noted["failedIndexes"] = indexes.render(tally.backoff.failed)
    if not indexed:
        waiting = _added(waiting, "succeeded", tally.new_succeeded)
    noted["uncountedTerminatedPods"] = _added(waiting, "failed", tally.new_failed)
    return noted


def _added(waiting: Object, name: str, finished: Iterable[Object]) -> Object:
    uids = [*(waiting.get(name) or ()), *(meta.uid(pod) for pod in finished)]
    return waiting | {name: uids} if uids else waiting


def with_counts(status: Object, active: int, ready: int, ending: int) -> Object:
    """Zero counts are left out, but for those that are pointers upstream."""
    shown = {name: value for name, value in status.items() if name != "active"}
    for name in ("succeeded", "failed"):
        if not shown.get(name):
            shown.pop(name, None)
    return shown | ({"active": active} if active else {}) | {"ready": ready, "terminating": ending}


def ready(active: Iterable[Object]) -> int:
    return sum(pods.is_ready(pod) for pod in active)


def with_condition(status: Object, type: str, value: str, reason: str, message: str, now: float) -> Object:
    stamp = meta.rfc3339(now)
    kept = list(status.get("conditions") or [])
    old = next((each for each in kept if each["type"] == type), None)
    if old is not None and (old["status"], old.get("reason"), old.get("message")) == (value, reason, message):
        return status
    new = {"type": type, "status": value, "lastProbeTime": stamp, "lastTransitionTime": stamp, "reason": reason, "message": message}
    return status | {"conditions": [*(each for each in kept if each is not old), new]}


def decided(status: Object, verdict: Verdict, now: float) -> Object:
    """The verdict is in; pods may still be ending."""
    kind = "SuccessCriteriaMet" if verdict.kind == "Complete" else "FailureTarget"
    return with_condition(status, kind, "True", verdict.reason, verdict.message, now)


def concluded(status: Object, verdict: Verdict, now: float) -> Object:
    """No pod is left: the job is finished for good."""
    status = with_condition(decided(status, verdict, now), verdict.kind, "True", verdict.reason, verdict.message, now)
    return status | {"completionTime": meta.rfc3339(now)} if verdict.kind == "Complete" else status


def started(job: Object, status: Object, now: float) -> Object:
    """startTime and the Suspended condition after what the spec asks for."""
    if facts.is_suspended(job):
        without = {name: value for name, value in status.items() if name != "startTime"}
        return with_condition(without, "Suspended", "True", "JobSuspended", "Job suspended", now)
    was = next((each for each in status.get("conditions") or () if each["type"] == "Suspended"), None)
    if was is not None and was["status"] == "True":
        status = with_condition(status, "Suspended", "False", "JobResumed", "Job resumed", now) | {"startTime": meta.rfc3339(now)}
    return status if status.get("startTime") else status | {"startTime": meta.rfc3339(now)}
