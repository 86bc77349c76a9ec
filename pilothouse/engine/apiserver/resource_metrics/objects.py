"""NodeMetrics and PodMetrics, from what is used and from the Nodes and Pods that use it. Pure."""

from collections.abc import Mapping
from fractions import Fraction

from pilothouse.engine.apiserver.resource_metrics.points import ContainerKey
from pilothouse.engine.apiserver.resource_metrics.rates import NodeUsage, Usage
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import BINARY, Quantity, whole


def node_metrics(node: Object, known: NodeUsage | None) -> Object | None:
    """None for a node of which nothing is known yet."""
    usage = None if known is None else known.node.usage()
    return None if usage is None else {**_head(node, usage), "usage": _amounts(usage)}


def pod_metrics(pod: Object, known: NodeUsage | None) -> Object | None:
    """None for a pod of which something that runs is not known yet: a part would look like the whole."""
    if known is None:
        return None
    metadata = pod["metadata"]
    found: dict[str, Usage] = {}
    for name in _containers(pod):
        pair = known.containers.get(ContainerKey(metadata["namespace"], metadata["name"], name))
        if pair is None:
            continue
        usage = pair.usage()
        if usage is None:
            return None
        found[name] = usage
    if not found:
        return None
    earliest = min(found.values(), key=lambda usage: usage.at)
    containers = [{"name": name, "usage": _amounts(usage)} for name, usage in found.items()]
    return {**_head(pod, earliest), "containers": containers}


def by_node(known: Mapping[str, NodeUsage], pod: Object) -> NodeUsage | None:
    return known.get((pod.get("spec") or {}).get("nodeName") or "")


def _containers(pod: Object) -> list[str]:
    """Those that are counted: ordinary ones, and those that are started before them and stay."""
    spec = pod.get("spec") or {}
    sidecars = [each["name"] for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [*(each["name"] for each in spec.get("containers") or ()), *sidecars]


def _head(obj: Object, usage: Usage) -> Object:
    metadata = obj["metadata"]
    kept = {name: metadata[name] for name in ("name", "namespace", "creationTimestamp", "labels") if name in metadata}
    return {"metadata": kept, "timestamp": meta.rfc3339(usage.at), "window": duration(usage.window_s)}


def _amounts(usage: Usage) -> Object:
    memory = whole(usage.memory_bytes - usage.memory_bytes % 1024, BINARY)
    return {"cpu": str(Quantity(Fraction(usage.nanocores, 10**9))), "memory": str(memory)}


def duration(seconds: float) -> str:
    """As Go writes durations, to the millisecond: 15.2s, 1m0s, 1m15.2s."""
    minutes, rest = divmod(round(seconds, 3), 60)
    shown = f"{rest:.3f}".rstrip("0").rstrip(".")
    return f"{int(minutes)}m{shown}s" if minutes else f"{shown}s"
