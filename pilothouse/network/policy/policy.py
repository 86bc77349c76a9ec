"""A NetworkPolicy as it is carried out: who is meant, from or to whom, on which ports (pure).

Source: networking.k8s.io/v1 NetworkPolicySpec.
"""

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object, dumps
from pilothouse.model.selector import Selector, from_label_selector

MOST_RULES = 2000
"""Lines, networks and exceptions that one policy may make; one with more allows nothing, and is told so."""
MOST_POLICIES, MOST_OF_NAMESPACE = 500, 20_000
"""Policies of one namespace, and what they may make together: what comes above that allows nothing."""


@dataclass(frozen=True, slots=True)
class Peers:
    """Pods by their labels and their namespace's. namespaces: None for the policy's own. name: the same for equal selectors."""

    name: str
    own: str
    namespaces: Selector | None
    pods: Selector

    def match(self, namespace: str, namespace_labels: Mapping[str, str], labels: Mapping[str, str]) -> bool:
        of_namespace = namespace == self.own if self.namespaces is None else self.namespaces.matches(namespace_labels)
        return of_namespace and self.pods.matches(labels)


@dataclass(frozen=True, slots=True)
class Block:
    """Addresses of a network but for those of others, as written in a rule."""

    network: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Port:
    """protocol: tcp, udp or sctp. first 0: all ports. name: of pods' ports, "" for numbers."""

    protocol: str
    first: int = 0
    last: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed: everybody (`peers` and `blocks` None), or some; ports (): all, of any protocol."""

    peers: tuple[Peers, ...] | None
    blocks: tuple[Block, ...] | None
    ports: tuple[Port, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """ingress, egress: None where the policy says nothing of the direction; () allows nothing."""

    key: str
    namespace: str
    pods: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def rules(self, direction: str) -> tuple[Rule, ...] | None:
        return self.ingress if direction == "ingress" else self.egress

    @property
    def all_peers(self) -> Iterator[Peers]:
        for rule in (*(self.ingress or ()), *(self.egress or ())):
            yield from rule.peers or ()

    @property
    def port_names(self) -> Iterator[tuple[str, str]]:
        """Protocol and name of the ports that are named."""
        for rule in (*(self.ingress or ()), *(self.egress or ())):
            yield from ((port.protocol, port.name) for port in rule.ports if port.name)


def parse(obj: Object) -> Policy:
    """obj: as the API server has taken it. Raises SelectorError, ValueError for what it should not have taken."""
    spec, namespace = obj["spec"], meta.namespace(obj)
    types = spec.get("policyTypes") or ["Ingress"]
    ingress = tuple(_rule(rule, "from", namespace) for rule in spec.get("ingress") or ()) if "Ingress" in types else None
    egress = tuple(_rule(rule, "to", namespace) for rule in spec.get("egress") or ()) if "Egress" in types else None
    return Policy(meta.key(obj), namespace, from_label_selector(spec.get("podSelector") or {}), ingress, egress)


def size(obj: Object) -> int:
    """What the policy makes, at most; counted before anything is made of it."""
    spec = obj["spec"]
    rules = [(rule, rule.get("from")) for rule in spec.get("ingress") or ()] + [(rule, rule.get("to")) for rule in spec.get("egress") or ()]
    return sum(_size(peers or (), len(rule.get("ports") or ()) or 1) for rule, peers in rules)


def _size(peers: Sequence[Object], ports: int) -> int:
    exceptions = sum(len((peer.get("ipBlock") or {}).get("except") or ()) for peer in peers)
    return (len(peers) + exceptions + 1) * ports


def _rule(rule: Object, peers: str, namespace: str) -> Rule:
    ports = tuple(_port(port) for port in rule.get("ports") or ())
    given = rule.get(peers) or ()
    if not given:
        return Rule(None, None, ports)
    blocks = tuple(_block(peer["ipBlock"]) for peer in given if peer.get("ipBlock") is not None)
    return Rule(tuple(_peers(peer, namespace) for peer in given if peer.get("ipBlock") is None), blocks, ports)


def _peers(peer: Object, namespace: str) -> Peers:
    wanted = peer.get("namespaceSelector")
    own = namespace if wanted is None else ""
    pods = peer.get("podSelector") or {}
    digest = hashlib.sha256(dumps([own, wanted, pods])).hexdigest()[:16]
    return Peers(f"pods-{digest}", own, None if wanted is None else from_label_selector(wanted), from_label_selector(pods))


def _block(block: Object) -> Block:
    """Of an IPv6 network nothing is allowed: pods have none of these addresses."""
    network = ipaddress.ip_network(block["cidr"], strict=False)
    without = [ipaddress.ip_network(each, strict=False) for each in block.get("except") or ()]
    shown = tuple(str(each) for each in ipaddress.collapse_addresses(each for each in without if each.version == 4))
    return Block(str(network), shown)


def _port(port: Object) -> Port:
    protocol, value = str(port.get("protocol") or "TCP").lower(), port.get("port")
    if isinstance(value, str):
        return Port(protocol, name=value)
    if value is None:
        return Port(protocol)
    return Port(protocol, int(value), int(port.get("endPort") or value))
