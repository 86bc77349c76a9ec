"""A ClusterNetworkPolicy as it is carried out (pure).

A peer or a match of a kind that is not known here fails closed, as its specification asks: a rule that accepts then means nobody, one
that denies or passes on denies everybody.
Source: policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicySpec, with `nodes` of its experimental channel.
"""

from collections.abc import Iterable

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.policy_refusals import is_rehearsed
from pilothouse.model.selector import SelectorError
from pilothouse.network.policy import parsing
from pilothouse.network.policy.rules import ACCEPT, DENY, Block, NodePeers, Peers, Policy, Port, Rule

MOST_RULES, MOST_OF_ALL = 4_000, 20_000
"""Lines that one policy may make, and all of them together; what comes above that denies everything it speaks of, and is told so."""
_UNREADABLE = (SelectorError, ValueError, LookupError, TypeError, AttributeError)
_NOBODY = Rule((), (), ())


def parse(obj: Object) -> Policy:
    """obj: as the API server has taken it. Raises SelectorError, ValueError, LookupError, TypeError when its subject cannot be read."""
    spec = obj["spec"]
    ingress = tuple(_rule(rule, "from") for rule in spec.get("ingress") or ()) or None
    egress = tuple(_rule(rule, "to") for rule in spec.get("egress") or ()) or None
    subject, priority = _subject(spec["subject"]), int(spec["priority"])
    return Policy(meta.name(obj), subject, ingress, egress, str(spec["tier"]), priority, is_rehearsed(obj))


def closed(obj: Object) -> Policy:
    """One that denies what its rules would speak of. Raises as `parse`."""
    spec, deny = obj["spec"], (Rule(None, None, (), action=DENY, name="not carried out"),)
    ingress, egress = deny if spec.get("ingress") else None, deny if spec.get("egress") else None
    subject, priority = _subject(spec["subject"]), int(spec["priority"])
    return Policy(meta.name(obj), subject, ingress, egress, str(spec["tier"]), priority, is_rehearsed(obj))


def size(obj: Object) -> int:
    """Lines that the policy makes, at most; counted before anything is made of it."""
    spec = obj["spec"]
    sides = [(rule, rule.get("from")) for rule in spec.get("ingress") or ()] + [(rule, rule.get("to")) for rule in spec.get("egress") or ()]
    return sum(_peers_of(peers or ()) * (len(rule.get("protocols") or ()) or 1) for rule, peers in sides)


def _peers_of(peers: Iterable[Object]) -> int:
    return sum(len(peer.get("networks") or "1") for peer in peers)


def _subject(subject: Object) -> Peers:
    return _pods(subject) or parsing.peers(subject["namespaces"], {})


def _pods(of: Object) -> Peers | None:
    pods = of.get("pods")
    return None if pods is None else parsing.peers(pods.get("namespaceSelector") or {}, pods.get("podSelector") or {})


def _rule(rule: Object, side: str) -> Rule:
    action, name = str(rule["action"]), str(rule.get("name") or "")
    try:
        return _readable(rule, rule[side], action, name)
    except _UNREADABLE:
        if action == ACCEPT:
            return _NOBODY
        return Rule(None, None, (), action=DENY, name=name)


def _readable(rule: Object, given: list[Object], action: str, name: str) -> Rule:
    found: list[Peers] = []
    blocks: list[Block] = []
    nodes: list[NodePeers] = []
    for peer in given:
        if (pods := _pods(peer)) is not None:
            found.append(pods)
        elif peer.get("networks") is not None:
            blocks += [parsing.block(each) for each in peer["networks"]]
        elif peer.get("nodes") is not None:
            nodes.append(parsing.nodes(peer["nodes"]))
        else:
            found.append(parsing.peers(peer["namespaces"], {}))
    ports = tuple(_port(each) for each in rule.get("protocols") or ())
    return Rule(tuple(found), tuple(blocks), ports, tuple(nodes), action, name)


def _port(match: Object) -> Port:
    if (name := match.get("destinationNamedPort")) is not None:
        return Port("", name=str(name))
    ((protocol, found),) = match.items()
    port = found["destinationPort"]
    if protocol not in ("tcp", "udp", "sctp"):
        raise ValueError(protocol)
    if (span := port.get("range")) is not None:
        return Port(protocol, int(span["start"]), int(span["end"]))
    number = int(port["number"])
    return Port(protocol, number, number)
