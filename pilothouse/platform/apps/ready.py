"""The Ready condition of an app: the newest state is what runs, in all its replicas (pure)."""

from collections.abc import Mapping, Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.apps import processes
from pilothouse.platform.apps.images import Image
from pilothouse.platform.apps.release import Release
from pilothouse.platform.apps.workloads import state_of

Condition = tuple[str, str, str]
"""status, reason, message."""


def ready(app: Object, image: Image, release: Release, wanted: Sequence[Object], deployments: Mapping[str, Object]) -> Condition:
    """wanted: the Deployments of the newest state. deployments: those that exist, by name."""
    if not image.reference:
        return _without_image(image, deployments)
    if not release.is_done:
        if release.failure:
            return "False", "ReleaseFailed", release.failure
        if release.waits:
            return "False", "Releasing", "the release process of an earlier deploy still runs; this one's follows when it has ended"
        return "False", "Releasing", "the release process runs; the new revision follows when it has ended well"
    for each in wanted:
        current = deployments.get(meta.name(each))
        if current is None or not rolled_out(current, each):
            stuck = _stuck(current, each)
            return ("False", "ProgressDeadlineExceeded", stuck) if stuck else ("False", "RollingOut", _rolling(current))
    return "True", "Serving" if processes.has_route(app) else "Running", ""


def _without_image(image: Image, deployments: Mapping[str, Object]) -> Condition:
    status, reason, message = image.built
    if status != "False":
        return "Unknown", "Building", message
    is_running = any(count(deployment, "readyReplicas") > 0 for deployment in deployments.values())
    return "False", reason, f"the last good revision still serves; {message}" if is_running else message


def rolled_out(deployment: Object, wanted: Object) -> bool:
    """Whether a Deployment has the wanted state in all its pods, as many as are wanted, and no others."""
    current = state_of(deployment) == state_of(wanted) and deployment["spec"].get("replicas", 1) == wanted["spec"]["replicas"]
    observed = count(deployment, "observedGeneration") >= meta.generation(deployment)
    counts = [count(deployment, name) for name in ("updatedReplicas", "replicas", "availableReplicas")]
    return current and observed and counts == [wanted["spec"]["replicas"]] * 3


def count(deployment: Object, name: str) -> int:
    return int((deployment.get("status") or {}).get(name) or 0)


def _rolling(deployment: Object | None) -> str:
    """With why the cluster makes no pods, if it does not: a quota, a policy; it may yet change its mind."""
    failure = meta.condition(deployment or {}, "ReplicaFailure") or {}
    why = f": {failure['message']}" if failure.get("status") == "True" and failure.get("message") else ""
    return f"the new revision is being rolled out{why}"


def is_stuck(deployment: Object | None, wanted: Object) -> bool:
    return bool(_stuck(deployment, wanted))


def rolled_back(newest: Object, running: Object, wanted: Sequence[Object], deployments: Mapping[str, Object]) -> Condition:
    """newest: the revision that was given up. running: the one in its place; wanted: the Deployments of that."""
    is_there = all((now := deployments.get(meta.name(each))) is not None and rolled_out(now, each) for each in wanted)
    way = "runs again" if is_there else "is being brought back"
    return (
        "False",
        "RolledBack",
        f"revision {newest['revision']} made no progress and revision {running['revision']} {way}, whose replicas had ended for it",
    )


def _stuck(deployment: Object | None, wanted: Object) -> str:
    """Why the wanted state does not come; what an earlier state was stuck in does not count."""
    if (
        deployment is None
        or state_of(deployment) != state_of(wanted)
        or count(deployment, "observedGeneration") < meta.generation(deployment)
    ):
        return ""
    condition = meta.condition(deployment, "Progressing")
    if condition is not None and condition["status"] == "False":
        return str(condition.get("message") or "the rollout makes no progress")
    return ""
