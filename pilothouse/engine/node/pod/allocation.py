"""What the node has allotted to the containers of a pod, which may lag behind what the pod's spec asks for by now. Pure.

The node's work is done with the allocation: the spec of a pod that is being resized says only what is wanted.
Source: KEP-1287, "Resource States" (desired, allocated, actuated).
"""

from collections.abc import Mapping

from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.runtime.seam import Container
from pilothouse.model.json import Object, dumps, loads
from pilothouse.model.quantity import Quantity

RESOURCES = "dev.pilothouse.node/resources"
"""Annotation of a container in the runtime: the resources that it was made with."""

CLASSES = ("Guaranteed", "Burstable", "BestEffort")

COUNTED = (*podspec.RESOURCES, "ephemeral-storage")
"""What pods share a node's room of."""

Allocation = Mapping[str, Object]
"""Container -> its `resources`. Of a pod as a whole they do not change."""


def of_spec(pod: Object) -> Allocation:
    return {each["name"]: each.get("resources") or {} for each in [*podspec.init_containers(pod), *podspec.containers(pod)]}


def of_runtime(pod: Object, made: Mapping[str, Container]) -> Allocation:
    """What an earlier agent has allotted, for a pod that it never resized: what its containers were made with."""
    known = {name: found for name, each in made.items() if (found := made_with(each)) is not None}
    return {name: known.get(name, wanted) for name, wanted in of_spec(pod).items()}


def made_with(container: Container) -> Object | None:
    """None where whoever made it did not say."""
    said = container.annotations.get(RESOURCES)
    found: Object | None = loads(said.encode()) if said else None
    return found


def said(container: Object) -> str:
    """The annotation of a container of that specification."""
    return dumps(container.get("resources") or {}).decode()


def with_allocation(pod: Object, allocation: Allocation) -> Object:
    """The pod as the node runs it; the same object where nothing differs."""
    if of_spec(pod) == {name: allocation.get(name, wanted) for name, wanted in of_spec(pod).items()}:
        return pod
    spec = dict(podspec.spec(pod))
    for kind in ("containers", "initContainers"):
        if kind in spec:
            spec[kind] = [each | {"resources": allocation.get(each["name"], each.get("resources") or {})} for each in spec[kind]]
    return pod | {"spec": spec}


def restarts(container: Object, before: Object) -> bool:
    """Whether a container that was made with other resources has to be made anew for those of its specification."""
    policies = {each["resourceName"]: each.get("restartPolicy") for each in container.get("resizePolicy") or ()}
    changed = [name for name in podspec.RESOURCES if _sides(container, name) != _sides({"resources": before}, name)]
    return any(policies.get(name) == "RestartContainer" for name in changed)


def _sides(container: Object, resource: str) -> list[object]:
    found = (podspec.amount(container, side, resource) for side in ("requests", "limits"))
    return [None if each is None else each.amount for each in found]


def problem(pod: Object, used: Mapping[str, int], allocatable: Object) -> tuple[str, str] | None:
    """Reason and message of a resize that the node cannot carry out now (Deferred) or ever (Infeasible).

    pod: as it is wanted; used: what the pods that the node runs beside it are allotted in all, as `asks` counts it.
    """
    asked, whole = asks(pod), {resource: whole_of(allocatable, resource) for resource in podspec.RESOURCES}
    for resource, most in whole.items():
        if most and asked[resource] > most:
            return "Infeasible", f"Node didn't have enough capacity: {resource}, requested: {asked[resource]}, capacity: {most}"
    for resource, most in whole.items():
        wanted, others = asked[resource], used.get(resource, 0)
        if most and others + wanted > most:
            return "Deferred", f"Node didn't have enough resource: {resource}, requested: {wanted}, used: {others}, capacity: {most}"
    return None


def asks(pod: Object) -> Mapping[str, int]:
    """Millicores and bytes that the pod requests."""
    return {resource: asked_by(pod, resource) for resource in COUNTED}


def grows(pod: Object, before: Object) -> bool:
    """Whether it asks for more than before; what asks for less always fits."""
    return any(asked_by(pod, resource) > asked_by(before, resource) for resource in podspec.RESOURCES)


def turn(pod: Object, before: Object, since: float) -> tuple[bool, int, int, float]:
    """In which order resizes are decided: those that ask for no more, then by priority, class and how long they have waited.

    pod: as it is wanted; before: as it is allotted. since: when it began to wait. Source: kubernetes pkg/kubelet/allocation,
    sortPendingResizes.
    """
    return (grows(pod, before), -int(podspec.spec(pod).get("priority") or 0), CLASSES.index(podspec.qos_class(pod)), since)


def whole_of(allocatable: Object, resource: str) -> int:
    """What the node has to give: millicores, or in the resource's own unit."""
    found = Quantity.of(str(allocatable.get(resource) or "0"))
    return found.milli_value if resource == "cpu" else found.value


def asked_by(pod: Object, resource: str) -> int:
    """What the pod requests: millicores, or in the resource's own unit."""
    return podspec.request(pod, resource, milli=resource == "cpu")
