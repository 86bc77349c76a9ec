"""What of Pods and Nodes matters to policies (pure)."""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.network.policy.config import NetworkPolicyConfig

NetworkKey = tuple[int, int, int]
"""Version, length and leading bits."""
Kin = tuple[str, frozenset[tuple[str, str]]]
"""Namespace and labels: what selectors see of a pod."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """ports: protocol, name and number of those that have a name. order: of two pods that show one address the greater one has it."""

    key: str
    namespace: str
    labels: Mapping[str, str]
    node: str
    addresses: tuple[str, ...]
    ports: tuple[tuple[str, str, int], ...]
    order: tuple[bool, bool, str]

    @property
    def kin(self) -> Kin:
        return self.namespace, frozenset(self.labels.items())


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """addresses: those of the node itself."""

    labels: Mapping[str, str]
    addresses: tuple[str, ...]


class Ranges:
    """Which node has which networks for its pods, as the control plane has granted them."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[NetworkKey]] = {}
        self._nodes: dict[NetworkKey, str] = {}
        self._lengths: Counter[tuple[int, int]] = Counter()

    def set(self, node: str, networks: Iterable[str]) -> frozenset[NetworkKey]:
        """Those that the node has come by or lost."""
        old, new = self._of.pop(node, frozenset[NetworkKey]()), frozenset(_keys(networks))
        if new:
            self._of[node] = new
        for key in old - new:
            if self._nodes.get(key) == node:
                del self._nodes[key]
                self._lengths[key[:2]] -= 1
        for key in new - old:
            self._lengths[key[:2]] += key not in self._nodes
            self._nodes[key] = node
        return old ^ new

    def may_have(self, node: str, address: str) -> bool:
        """False for an address in the network of another node."""
        found = ipaddress.ip_address(address)
        lengths = [length for (version, length), count in self._lengths.items() if count and version == found.version]
        owners = {self._nodes.get((found.version, length, int(found) >> (found.max_prefixlen - length))) for length in lengths}
        return owners <= {None, node}


class Shown:
    """Which pods show addresses of a network, whoever believes them: so that a node that joins costs those, and not all pods."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[NetworkKey, ...]] = {}
        self._pods: dict[NetworkKey, set[str]] = {}

    def set(self, pod: str, addresses: Iterable[str]) -> None:
        """addresses: (): the pod is gone."""
        for key in self._of.pop(pod, ()):
            self._pods[key].discard(pod)
            if not self._pods[key]:
                del self._pods[key]
        if keys := tuple(_keys(f"{each}/{64 if ':' in each else 24}" for each in addresses)):
            self._of[pod] = keys
            for key in keys:
                self._pods.setdefault(key, set()).add(pod)

    def within(self, network: NetworkKey) -> list[str]:
        """All that show an address of the network, and perhaps others."""
        version, length, bits = network
        kept = 64 if version == 6 else 24
        if length >= kept:
            return list(self._pods.get((version, kept, bits >> (length - kept)), ()))
        return [pod for key, pods in self._pods.items() if (key[0], key[2] >> (kept - length)) == (version, bits) for pod in pods]


def _keys(networks: Iterable[str]) -> list[NetworkKey]:
    """Nothing for what is no network."""
    keys: list[NetworkKey] = []
    for text in networks:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        length = network.prefixlen
        keys.append((network.version, length, int(network.network_address) >> (network.max_prefixlen - length)))
    return keys


def facts(pod: Object, config: NetworkPolicyConfig, lease: tuple[str, ...] = (), ranges: Ranges | None = None) -> PodFacts | None:
    """None for a pod without an address of its own that it may have.

    lease: the addresses that this node has given it, before its status shows them; they beat what any status says.
    """
    spec, status = pod["spec"], pod.get("status") or {}
    node = spec.get("nodeName") or ""
    if spec.get("hostNetwork") or status.get("phase") in ("Succeeded", "Failed"):
        return None
    known = ranges or Ranges()
    shown = dict.fromkeys(lease or addresses(status))
    believed = tuple(each for each in shown if config.may_have(node, each) and (each in lease or known.may_have(node, each)))
    if not believed:
        return None
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    named = [port for container in containers for port in container.get("ports") or () if port.get("name")]
    ports = tuple((str(port.get("protocol") or "TCP").lower(), port["name"], port["containerPort"]) for port in named)
    order = (bool(lease), not meta.is_deleting(pod), str(pod["metadata"].get("creationTimestamp") or ""))
    return PodFacts(meta.key(pod), meta.namespace(pod), meta.labels(pod), node, believed, ports, order)


def addresses(status: Object) -> tuple[str, ...]:
    """Those that a pod's status shows."""
    found = [each.get("ip") for each in status.get("podIPs") or ()] + [status.get("podIP")]
    return tuple(str(ipaddress.ip_address(each)) if _is_address(each) else each for each in dict.fromkeys(found) if each)


def node_facts(node: Object) -> NodeFacts:
    shown = [str(each.get("address") or "") for each in (node.get("status") or {}).get("addresses") or ()]
    return NodeFacts(meta.labels(node), tuple(dict.fromkeys(str(ipaddress.ip_address(each)) for each in shown if _is_address(each))))


def pod_networks(node: Object) -> tuple[str, ...]:
    """That the control plane has granted it."""
    spec = node.get("spec") or {}
    return tuple(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else ()))


def _is_address(text: str | None) -> bool:
    try:
        return not getattr(ipaddress.ip_address(text or ""), "scope_id", None)
    except ValueError:
        return False
