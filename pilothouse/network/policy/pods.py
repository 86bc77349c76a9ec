"""What of a Pod matters to policies (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.network.policy.config import NetworkPolicyConfig


@dataclass(frozen=True, slots=True)
class PodFacts:
    """ports: protocol, name and number of those that have a name. order: of two pods that show one address the greater one has it."""

    key: str
    namespace: str
    labels: Mapping[str, str]
    node: str
    address: str
    ports: tuple[tuple[str, str, int], ...]
    order: tuple[bool, bool, str]


def facts(pod: Object, config: NetworkPolicyConfig, lease: str = "") -> PodFacts | None:
    """None for a pod without an address of its own that it may have.

    lease: the address that this node has given it, before its status shows it; it beats what any status says.
    """
    spec, status = pod["spec"], pod.get("status") or {}
    node, address = spec.get("nodeName") or "", lease or status.get("podIP") or ""
    if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed") or not config.may_have(node, address):
        return None
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    named = [port for container in containers for port in container.get("ports") or () if port.get("name")]
    ports = tuple((str(port.get("protocol") or "TCP").lower(), port["name"], port["containerPort"]) for port in named)
    order = (bool(lease), not meta.is_deleting(pod), str(pod["metadata"].get("creationTimestamp") or ""))
    return PodFacts(meta.key(pod), meta.namespace(pod), meta.labels(pod), node, address, ports, order)
