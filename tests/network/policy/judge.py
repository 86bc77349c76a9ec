"""What policies mean, written straight from their specifications: slow, whole, and without anything of the engine's own."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model.json import Object

Spaces = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Pod:
    """other: its address of the other family, where it has one."""

    name: str
    namespace: str
    labels: Mapping[str, str]
    address: str
    ports: tuple[tuple[str, str, int], ...] = ()
    other: str = ""

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, self.other) if self.other else (self.address,)

    def at(self, address: str) -> "Pod":
        """As packets of one family see it."""
        return Pod(self.name, self.namespace, self.labels, address, self.ports)


def allows(
    policies: Iterable[Object],
    spaces: Spaces,
    source: Pod,
    target: Pod,
    protocol: str,
    port: int,
    of_cluster: Iterable[Object] = (),
) -> bool:
    """Whether a connection may be opened. Policies in rehearsal are to be left out."""
    if source == target:
        return True
    known, tiers = list(policies), sorted(of_cluster, key=lambda p: (p["spec"]["priority"], p["metadata"]["name"]))
    out = _may(known, tiers, spaces, source, target, target, "Egress", protocol, port)
    return out and _may(known, tiers, spaces, target, source, target, "Ingress", protocol, port)


def _may(
    policies: list[Object],
    of_cluster: list[Object],
    spaces: Spaces,
    own: Pod,
    other: Pod,
    target: Pod,
    kind: str,
    protocol: str,
    port: int,
) -> bool:
    admin = _tier("Admin", of_cluster, spaces, own, other, target, kind, protocol, port)
    if admin in ("Accept", "Deny"):
        return admin == "Accept"
    mine = [p for p in policies if p["metadata"]["namespace"] == own.namespace and _selects(p["spec"]["podSelector"], own.labels)]
    judging = [p for p in mine if kind in p["spec"]["policyTypes"]]
    if not judging:
        return _tier("Baseline", of_cluster, spaces, own, other, target, kind, protocol, port) != "Deny"
    rules = [rule for p in judging for rule in p["spec"].get(kind.lower()) or ()]
    peers = "from" if kind == "Ingress" else "to"
    return any(
        _is_meant(rule.get(peers), own.namespace, other, spaces) and _has_port(rule.get("ports"), target, protocol, port) for rule in rules
    )


def _tier(tier: str, policies: list[Object], spaces: Spaces, own: Pod, other: Pod, target: Pod, kind: str, protocol: str, port: int) -> str:
    """Action of the first rule that matches, "" for none."""
    for policy in policies:
        spec = policy["spec"]
        if spec["tier"] != tier or not _is_cluster_peer(spec["subject"], own, spaces):
            continue
        for rule in spec.get(kind.lower()) or ():
            peers = rule["from" if kind == "Ingress" else "to"]
            meant = any(_is_cluster_peer(peer, other, spaces) for peer in peers)
            if meant and _has_protocol(rule.get("protocols"), target, protocol, port):
                return str(rule["action"])
    return ""


def _is_cluster_peer(peer: Object, pod: Pod, spaces: Spaces) -> bool:
    if "networks" in peer:
        return any(ipaddress.ip_address(pod.address) in ipaddress.ip_network(each) for each in peer["networks"])
    if "namespaces" in peer:
        return _selects(peer["namespaces"], spaces[pod.namespace])
    if "pods" in peer:
        pods = peer["pods"]
        return _selects(pods.get("namespaceSelector") or {}, spaces[pod.namespace]) and _selects(pods["podSelector"], pod.labels)
    return False


def _has_protocol(protocols: list[Object] | None, target: Pod, protocol: str, port: int) -> bool:
    return not protocols or any(_is_protocol(each, target, protocol, port) for each in protocols)


def _is_protocol(each: Object, target: Pod, protocol: str, port: int) -> bool:
    if "destinationNamedPort" in each:
        return (protocol, each["destinationNamedPort"], port) in target.ports
    if protocol not in each:
        return False
    wanted = each[protocol]["destinationPort"]
    if "range" in wanted:
        return bool(wanted["range"]["start"] <= port <= wanted["range"]["end"])
    return bool(wanted["number"] == port)


def _is_meant(peers: list[Object] | None, namespace: str, other: Pod, spaces: Spaces) -> bool:
    return not peers or any(_is_peer(peer, namespace, other, spaces) for peer in peers)


def _is_peer(peer: Object, namespace: str, other: Pod, spaces: Spaces) -> bool:
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
    return wanted is None or bool(wanted <= port <= int(each.get("endPort") or wanted))


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
