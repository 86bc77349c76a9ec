"""What of a Pod matters to policies (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class PodFacts:
    """ports: protocol, name and number of those that have a name. order: of two pods that show one address the greater one has it."""

    key: str
    namespace: str
    labels: Mapping[str, str]
    node: str
    address: str
    ports: tuple[tuple[str, str, int], ...]
    order: tuple[bool, str]


def facts(pod: Object, lease: str = "") -> PodFacts | None:
    """None for a pod without an address of its own. lease: the address that it has been given, before its status shows it."""
    spec, status = pod["spec"], pod.get("status") or {}
    address = lease or status.get("podIP") or ""
    if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed") or not address or ":" in address:
        return None
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    named = [port for container in containers for port in container.get("ports") or () if port.get("name")]
    ports = tuple((str(port.get("protocol") or "TCP").lower(), port["name"], port["containerPort"]) for port in named)
    order = (not meta.is_deleting(pod), str(pod["metadata"].get("creationTimestamp") or ""))
    return PodFacts(meta.key(pod), meta.namespace(pod), meta.labels(pod), spec.get("nodeName") or "", address, ports, order)
