"""A pod that nobody looks at, since no scheduler has the name that it asks for (pure)."""

from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.scheduling import DEFAULT_SCHEDULER


def unseen_by(pod: Object) -> str:
    """The name of the scheduler that a pod without a node asks for and that has not looked at it; "" for none."""
    spec = pod["spec"]
    if spec.get("nodeName") or meta.condition(pod, "PodScheduled") is not None:
        return ""
    return str(spec.get("schedulerName") or DEFAULT_SCHEDULER)


def of_scheduler(scene: Scene, pod: Object) -> Finding | None:
    """None for a pod that a scheduler of the cluster looks at."""
    name = unseen_by(pod)
    if not name or name in scene.schedulers or (name == DEFAULT_SCHEDULER and not scene.schedulers):
        return None
    known = f": there are {' and '.join(scene.schedulers)}" if scene.schedulers else ""
    cause = f"pod {meta.name(pod)} asks for scheduler {name}, which has not looked at it{known}"
    step = f"name one of these in the pod template's schedulerName, or start {name}" if known else f"start {name}, or name another"
    return Finding((cause,), step, State.UNSCHEDULABLE)
