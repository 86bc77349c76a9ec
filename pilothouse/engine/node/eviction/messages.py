"""What is said of an eviction, in upstream's words, by which people search. Pure."""

from collections.abc import Iterable

from pilothouse.engine.node.eviction.decide import Observations
from pilothouse.engine.node.eviction.thresholds import EPHEMERAL, Threshold, shown
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.stats.figures import ContainerFigures, PodFigures
from pilothouse.model.quantity import BINARY, ZERO, whole

REASON = "Evicted"
ADMITTED_NOT = "The node had condition: [{}]. "


def of_pressure(threshold: Threshold, observed: Observations, pod: PodFigures) -> str:
    seen = observed[threshold.signal]
    quantity = shown(threshold.amount.of(seen.capacity), threshold.signal)
    available = shown(seen.available, threshold.signal)
    message = f"The node was low on resource: {threshold.resource}. Threshold quantity: {quantity}, available: {available}. "
    return message + _whole_pod(threshold.resource, pod) + "".join(_containers(threshold.resource, pod))


def _whole_pod(resource: str, pod: PodFigures) -> str:
    """Of a pod that asks for memory as a whole."""
    request = podspec.amount(podspec.spec(pod.pod), "requests", resource)
    if resource != "memory" or request is None or pod.memory is None:
        return ""
    usage = whole(pod.memory.working_set_bytes, BINARY)
    return f"Pod {pod.name} was using {usage}, request is {request}, has larger consumption of {resource}. "


def _containers(resource: str, pod: PodFigures) -> Iterable[str]:
    """Those that use more than they have asked for."""
    for container in pod.containers:
        used, spec = _used(resource, container), podspec.container_named(pod.pod, container.name)
        if used is None or spec is None:
            continue
        request = podspec.amount(spec, "requests", resource) or ZERO
        if used > request.amount:
            usage = whole(used, BINARY)
            yield f"Container {container.name} was using {usage}, request is {request}, has larger consumption of {resource}. "


def _used(resource: str, container: ContainerFigures) -> int | None:
    if resource == "memory":
        return None if container.memory is None else container.memory.working_set_bytes
    if resource != EPHEMERAL or container.rootfs is None or container.logs is None:
        return None
    return container.rootfs.used_bytes + container.logs.used_bytes
