"""Why a Job has failed, waits, or does not get on (pure).

Reasons are those of upstream's job controller.
"""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.cli.output import age
from pilothouse.cli.why.finding import AT_ONCE, Finding, State
from pilothouse.cli.why.pod_causes import refused
from pilothouse.cli.why.scene import Scene, count
from pilothouse.cli.why.sentence import Why, told
from pilothouse.cli.why.worst import worst_of
from pilothouse.model import meta
from pilothouse.model.json import Object

OWN_CONTROLLER = "kubernetes.io/job-controller"
AGAIN = "correct it, and make the job anew: `ph kubectl replace --force -f FILE`"


def explain(scene: Scene) -> Why:
    job = _job(scene)
    if found := finding(scene):
        return told(f"{scene.subject} {_standing(job)}", found)
    if ended := _true(job, "Complete"):
        ago = age(scene.now - meta.parse_rfc3339(ended["lastTransitionTime"]))
        return Why(f"{scene.subject} has completed {ago} ago: {_progress(job)}", state=State.ENDED)
    return Why(f"{scene.subject} runs: {_progress(job)}", state=State.RUNNING)


def finding(scene: Scene) -> Finding | None:
    """scene: with the Job as its `workload`, and its pods."""
    job = _job(scene)
    if failed := _true(job, "Failed"):
        return _failed(scene, job, failed)
    if meta.is_true(job, "Complete"):
        return None
    return _is_held(job) or _without_pods(scene, job) or _pods(scene, job)


def _job(scene: Scene) -> Object:
    return scene.workload or {}


def _true(job: Object, kind: str) -> Object | None:
    condition = meta.condition(job, kind)
    return condition if condition is not None and condition.get("status") == "True" else None


def _standing(job: Object) -> str:
    if meta.is_true(job, "Failed"):
        return "has failed"
    if job["spec"].get("suspend"):
        return "does not run"
    return f"is not done ({_progress(job)})"


def _progress(job: Object) -> str:
    wanted = job["spec"].get("completions")
    done = f"{count(job, 'succeeded')} of {wanted} completions" if wanted is not None else f"{count(job, 'succeeded')} succeeded"
    others = [f"{number} {word}" for word in ("active", "failed") if (number := count(job, word))]
    return ", ".join([done, *others])


def _failed(scene: Scene, job: Object, condition: Object) -> Finding:
    """The pod's trouble comes first; the Job's own reason is what followed from it, but for its deadline."""
    reason, message = condition.get("reason", ""), condition.get("message", "").rstrip(". ")
    effect = f"the job gave up ({reason}: {message})"
    if reason == "DeadlineExceeded":
        limit = f"it was not done within its activeDeadlineSeconds of {job['spec'].get('activeDeadlineSeconds')}"
        return Finding((limit,), f"allow more time, or {AGAIN}", State.FAILED, AT_ONCE)
    worst = _worst(scene)
    if worst is None:
        step = f"see `ph kubectl logs job/{meta.name(job)}`" if scene.pods else "its pods are gone, and their logs with them"
        return Finding((effect,), f"{step}; {AGAIN}", State.FAILED, AT_ONCE)
    return Finding((*worst.chain, effect), f"{worst.next_step}; {AGAIN}", State.FAILED, AT_ONCE)


def _is_held(job: Object) -> Finding | None:
    manager = job["spec"].get("managedBy") or OWN_CONTROLLER
    if manager != OWN_CONTROLLER:
        return Finding((f"it is left to {manager} (spec.managedBy)",), f"see what {manager} says of it")
    if not job["spec"].get("suspend"):
        return None
    patch = f'`ph kubectl patch job {meta.name(job)} -n {meta.namespace(job)} -p \'{{"spec":{{"suspend":false}}}}\'`'
    return Finding(("it is suspended",), f"let it go on with {patch}", State.PAUSED)


def _without_pods(scene: Scene, job: Object) -> Finding | None:
    """Pods that the API server refuses: the last that was said of making one is that it failed."""
    said = [note for note in scene.notes_of(job) if note.reason in ("FailedCreate", "SuccessfulCreate")]
    if count(job, "active") or not said or said[-1].reason == "SuccessfulCreate":
        return None
    return replace(refused(meta.name(job), said[-1].message, "job"), certain_after_s=None)


def _pods(scene: Scene, job: Object) -> Finding | None:
    """Trouble of a pod that is there; after a failure, that the next one waits."""
    worst = _worst(scene)
    if worst is None or count(job, "active") or not count(job, "failed"):
        return worst
    limit = job["spec"].get("backoffLimit", 6)
    waits = f"the next pod waits for its back-off ({count(job, 'failed')} failed, {limit} may)"
    return replace(worst, chain=(*worst.chain, waits))


def _worst(scene: Scene) -> Finding | None:
    worst = worst_of(scene, _newest_first([pod for pod in scene.pods if (pod.get("status") or {}).get("phase") != "Succeeded"]))
    return None if worst is None else worst[1]


def _newest_first(pods: Sequence[Object]) -> list[Object]:
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""), reverse=True)
