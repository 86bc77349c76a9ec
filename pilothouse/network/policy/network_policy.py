"""A NetworkPolicy as it is carried out (pure). Source: networking.k8s.io/v1 NetworkPolicySpec."""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import is_rehearsed
from pilothouse.model.selector import SelectorError
from pilothouse.network.policy import parsing
from pilothouse.network.policy.rules import Peers, Policy, Port, Rule

MOST_RULES = 2000
"""Lines, networks and exceptions that one policy may make; one with more allows nothing, and is told so."""
MOST_POLICIES, MOST_OF_NAMESPACE = 500, 20_000
"""Policies of one namespace, and what they may make together: what comes above that allows nothing."""


def parse(obj: Object) -> Policy:
    """obj: as the API server has taken it. Raises SelectorError, ValueError for what it should not have taken."""
    spec, namespace = obj["spec"], meta.namespace(obj)
    types = spec.get("policyTypes") or ["Ingress"]
    ingress = tuple(_rule(rule, "from", namespace) for rule in spec.get("ingress") or ()) if "Ingress" in types else None
    egress = tuple(_rule(rule, "to", namespace) for rule in spec.get("egress") or ()) if "Egress" in types else None
    subject = parsing.peers(None, spec.get("podSelector") or {}, namespace)
    return Policy(meta.key(obj), subject, ingress, egress, is_rehearsed=is_rehearsed(obj))


def closed(obj: Object) -> Policy:
    """One that allows nothing, for all pods of the namespace when it cannot be read for which."""
    spec = obj.get("spec") or {}
    try:
        subject = parsing.peers(None, spec.get("podSelector") or {}, meta.namespace(obj))
    except (SelectorError, ValueError, LookupError, TypeError, AttributeError):
        subject = parsing.peers(None, {}, meta.namespace(obj))
    types = spec.get("policyTypes") or ["Ingress"]
    ingress, egress = () if "Ingress" in types else None, () if "Egress" in types else None
    return Policy(meta.key(obj), subject, ingress, egress, is_rehearsed=is_rehearsed(obj))


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
    blocks = [peer["ipBlock"] for peer in given if peer.get("ipBlock") is not None]
    shown = tuple(parsing.block(each["cidr"], each.get("except") or ()) for each in blocks)
    return Rule(tuple(_peers(peer, namespace) for peer in given if peer.get("ipBlock") is None), shown, ports)


def _peers(peer: Object, namespace: str) -> Peers:
    return parsing.peers(peer.get("namespaceSelector"), peer.get("podSelector") or {}, namespace)


def _port(port: Object) -> Port:
    protocol, value = str(port.get("protocol") or "TCP").lower(), port.get("port")
    if isinstance(value, str):
        return Port(protocol, name=value)
    if value is None:
        return Port(protocol)
    return Port(protocol, int(value), int(port.get("endPort") or value))
