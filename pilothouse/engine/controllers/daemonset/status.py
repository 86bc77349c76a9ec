"""What a DaemonSet's status says of its nodes. Source: Kubernetes 1.36, updateDaemonSetStatus."""

from pilothouse.engine.controllers import pods as pod_facts
from pilothouse.engine.controllers.daemonset import facts
from pilothouse.engine.controllers.daemonset.plan import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object

_ALWAYS = ("desiredNumberScheduled", "currentNumberScheduled", "numberMisscheduled", "numberReady")


def build(scene: Scene, collisions: int) -> tuple[Object, float | None]:
    """The status, and after how many seconds it changes by itself. Of several pods on a node the first counts."""
    wanted = scene.wanted()
    first = [scene.pods[node][0] for node in wanted if scene.pods.get(node)]
    waits = [pod_facts.available_in(pod, facts.min_ready_s(scene.daemon_set), scene.now) for pod in first]
    available = sum(wait == 0 for wait in waits)
    counts = {
        "desiredNumberScheduled": len(wanted),
        "currentNumberScheduled": len(first),
        "numberMisscheduled": sum(bool(scene.pods.get(node)) for node, fit in scene.fits.items() if not fit.runs),
        "numberReady": sum(pod_facts.is_ready(pod) for pod in first),
        "updatedNumberScheduled": sum(facts.is_updated(pod, scene.hash) for pod in first),
        "numberAvailable": available,
        "numberUnavailable": len(wanted) - available,
    }
    found: Object = {name: count for name, count in counts.items() if count or name in _ALWAYS}
    found["observedGeneration"] = meta.generation(scene.daemon_set)
    if collisions:
        found["collisionCount"] = collisions
    if conditions := facts.status(scene.daemon_set).get("conditions"):
        found["conditions"] = conditions
    return found, min((wait for wait in waits if wait), default=None)
