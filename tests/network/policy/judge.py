"""What NetworkPolicies mean, written straight from their specification: slow, whole, and without anything of the engine's own."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model.json import Object


@dataclass(frozen=True)
class Pod:
    name: str
    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: tuple[tuple[str, str, int], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def allows(policies: Iterable[Object], spaces: Mapping[str, Mapping[str, str]], source: Pod, target: Pod, protocol: str, port: int) -> bool:
    """Whether a connection may be opened."""
    if source == target:
        return True
    known = list(policies)
    out = _may(known, spaces, source, target, target, "Egress", protocol, port)
    return out and _may(known, spaces, target, source, target, "Ingress", protocol, port)


def _may(
    policies: list[Object],
    spaces: Mapping[str, Mapping[str, str]],
    own: Pod,
    other: Pod,
    target: Pod,
    kind: str,
    protocol: str,
    port: int,
) -> bool:
    mine = [p for p in policies if p["metadata"]["namespace"] == own.namespace and _selects(p["spec"]["podSelector"], own.labels)]
    judging = [p for p in mine if kind in p["spec"]["policyTypes"]]
    rules = [rule for p in judging for rule in p["spec"].get(kind.lower()) or ()]
    peers = "from" if kind == "Ingress" else "to"
    return not judging or any(
        _is_meant(rule.get(peers), own.namespace, other, spaces) and _has_port(rule.get("ports"), target, protocol, port) for rule in rules
    )


def _is_meant(peers: list[Object] | None, namespace: str, other: Pod, spaces: Mapping[str, Mapping[str, str]]) -> bool:
    return not peers or any(_is_peer(peer, namespace, other, spaces) for peer in peers)


def _is_peer(peer: Object, namespace: str, other: Pod, spaces: Mapping[str, Mapping[str, str]]) -> bool:
    if (block := peer.get("ipBlock")) is not None:
        address = ipaddress.ip_address(other.address)
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(each) for each in block.get("except") or ())
    of_namespace = peer.get("namespaceSelector")
    if of_namespace is None and other.namespace != namespace:
        return False
    if of_namespace is not None and not _selects(of_namespace, spaces[other.namespace]):
        return False
    return _selects(peer.get("podSelector") or {}, other.labels)


def _has_port(ports: list[Object] | None, target: Pod, protocol: str, port: int) -> bool:
    return not ports or any(_is_port(each, target, protocol, port) for each in ports)


def _is_port(each: Object, target: Pod, protocol: str, port: int) -> bool:
    wanted = each.get("port")
    if each["protocol"].lower() != protocol:
        return False
    if isinstance(wanted, str):
        return (protocol, wanted, port) in target.ports
    return wanted is None or wanted <= port <= each.get("endPort", wanted)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(each, labels) for each in selector.get("matchExpressions") or ())


def _holds(each: Object, labels: Mapping[str, str]) -> bool:
    found = labels.get(each["key"])
    return {
        "In": found in (each.get("values") or ()),
        "NotIn": found not in (each.get("values") or ()),
        "Exists": found is not None,
        "DoesNotExist": found is None,
    }[each["operator"]]
