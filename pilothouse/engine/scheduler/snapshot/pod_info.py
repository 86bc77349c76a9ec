"""A pod as the scheduler sees it."""

from dataclasses import dataclass

from pilothouse.engine.scheduler.demand import Demand, demand_of
from pilothouse.engine.scheduler.snapshot.shape import Shape, Shapes
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.scheduling import DEFAULT_SCHEDULER

BY_SCHEDULER = "PreemptionByScheduler"


@dataclass(frozen=True, slots=True)
class PodInfo:
    """demand: what it holds on its node, which differs from what it asks for while it is resized. started: RFC 3339, "" before it has.

    may_preempt: for its sake others may go. is_preempted: it goes itself for the sake of another. scheduler: the name of its profile.
    """

    key: str
    name: str
    uid: str
    shape: Shape
    demand: Demand
    priority: int
    is_terminating: bool
    started: str
    may_preempt: bool
    is_preempted: bool
    scheduler: str = DEFAULT_SCHEDULER

    @property
    def namespace(self) -> str:
        return self.shape.namespace

    def counts_like(self, other: "PodInfo") -> bool:
        """Whether it makes no difference to other pods which of the two is on a node."""
        mine = (self.priority, self.is_terminating, self.demand)
        return self.shape is other.shape and mine == (other.priority, other.is_terminating, other.demand)


def pod_info(pod: Object, shapes: Shapes) -> PodInfo:
    spec, metadata, status = pod["spec"], pod["metadata"], pod.get("status") or {}
    shape = shapes.of(pod)
    is_terminating = "deletionTimestamp" in metadata
    return PodInfo(
        key=meta.key(pod),
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        shape=shape,
        demand=demand_of(pod) if _may_be_resizing(spec, status) else shape.needs.demand,
        priority=spec.get("priority") or 0,
        is_terminating=is_terminating,
        started=status.get("startTime") or "",
        may_preempt=spec.get("preemptionPolicy") != "Never",
        is_preempted=is_terminating and _is_preempted(pod),
        scheduler=spec.get("schedulerName") or DEFAULT_SCHEDULER,
    )


def _is_preempted(pod: Object) -> bool:
    condition = meta.condition(pod, "DisruptionTarget")
    return condition is not None and condition.get("status") == "True" and condition.get("reason") == BY_SCHEDULER


def _may_be_resizing(spec: Object, status: Object) -> bool:
    """Whether what the node has allotted, or what runs, may differ from what is asked for: unequal texts may be equal amounts."""
    known = {each["name"]: each for kind in ("containerStatuses", "initContainerStatuses") for each in status.get(kind) or ()}
    if not known:
        return False
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        allotted = (known.get(container["name"]) or {}).get("allocatedResources")
        if not allotted:
            continue
        wanted = (container.get("resources") or {}).get("requests")
        if allotted != wanted or (known[container["name"]].get("resources") or {}).get("requests", wanted) != wanted:
            return True
    return False
