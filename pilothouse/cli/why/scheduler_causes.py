"""A pod that nobody looks at, since no scheduler has the name that it asks for (pure)."""

from pilothouse.cli.why.finding import Finding, State
from pilothouse.cli.why.scene import Scene
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.scheduling import DEFAULT_SCHEDULER


def other_scheduler(pod: Object) -> str:
    """The name that a pod without a node asks for and that is not the usual one; "" for none."""
    spec = pod["spec"]
    name = spec.get("schedulerName") or DEFAULT_SCHEDULER
    return "" if spec.get("nodeName") or name == DEFAULT_SCHEDULER or meta.condition(pod, "PodScheduled") is not None else str(name)


def of_scheduler(scene: Scene, pod: Object) -> Finding | None:
    """None for a pod that a scheduler of the cluster looks at."""
    name = other_scheduler(pod)
    if not name or name in scene.schedulers:
        return None
    known = f": there are {' and '.join(scene.schedulers)}" if scene.schedulers else ""
    cause = f"pod {meta.name(pod)} asks for scheduler {name}, which has not looked at it{known}"
    step = f"name one of these in the pod template's schedulerName, or start {name}" if known else f"start {name}, or name another"
    return Finding((cause,), step, State.UNSCHEDULABLE)
