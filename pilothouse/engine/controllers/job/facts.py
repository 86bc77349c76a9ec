"""What is read from a Job and its pods."""

from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.sections import spec as spec
from pilothouse.engine.controllers.sections import status as status
from pilothouse.model import meta
from pilothouse.model.json import Object

FINALIZER = "batch.kubernetes.io/job-tracking"


def count(job: Object, field: str, default: int) -> int:
    found: int | None = spec(job).get(field)
    return default if found is None else found


def completions(job: Object) -> int | None:
    """None: any success is enough, and running pods decide when the work is over."""
    found: int | None = spec(job).get("completions")
    return found


def parallelism(job: Object) -> int:
    return count(job, "parallelism", 1)


def is_indexed(job: Object) -> bool:
    mode: str = spec(job).get("completionMode") or "NonIndexed"
    return mode == "Indexed"


def is_foreign(job: Object) -> bool:
    """Whether another controller has been asked to run it."""
    manager: str | None = spec(job).get("managedBy")
    return manager not in (None, "kubernetes.io/job-controller")


def is_suspended(job: Object) -> bool:
    return bool(spec(job).get("suspend"))


def replaces_failed_only(job: Object) -> bool:
    """Whether a pod that is ending still holds its place. A pod failure policy implies it."""
    policy: str | None = spec(job).get("podReplacementPolicy")
    return policy == "Failed" or (policy is None and bool(spec(job).get("podFailurePolicy")))


def finished(job: Object) -> Object | None:
    """The condition Complete or Failed, when the job has it."""
    return next((found for kind in ("Complete", "Failed") if (found := _true(job, kind)) is not None), None)


def ending(job: Object) -> Object | None:
    """The condition SuccessCriteriaMet or FailureTarget: the verdict is in, the last pods are still ending."""
    return next((found for kind in ("SuccessCriteriaMet", "FailureTarget") if (found := _true(job, kind)) is not None), None)


def _true(job: Object, kind: str) -> Object | None:
    found = meta.condition(job, kind)
    return found if found is not None and found.get("status") == "True" else None


def is_tracked(pod: Object) -> bool:
    return FINALIZER in meta.finalizers(pod)


def has_failed(job: Object, pod: Object) -> bool:
    """Failed, or ending without a result: unless such pods hold their place, they count as failed at once."""
    if pods.phase(pod) == "Failed":
        return True
    return meta.is_deleting(pod) and pods.phase(pod) != "Succeeded" and not replaces_failed_only(job)


def finish_time(pod: Object) -> float | None:
    """When the last container ended, or since when it is not ready, or when it was deleted."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    ends = [each["state"]["terminated"].get("finishedAt") for each in statuses if (each.get("state") or {}).get("terminated")]
    times = [meta.parse_rfc3339(each) for each in ends if each]
    if times:
        return max(times)
    ready = meta.condition(pod, "Ready")
    found = (ready or {}).get("lastTransitionTime") or pod["metadata"].get("deletionTimestamp")
    return meta.parse_rfc3339(found) if found else None
