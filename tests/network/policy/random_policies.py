"""Pods, namespaces and policies by chance, small enough that most policies touch some pods."""

from collections.abc import Mapping
from random import Random
from typing import Any

from pilothouse.model.json import Object
from tests.network.policy.judge import Pod

SPACES = ("x", "y", "z")
NAMES = ("a", "b")
PORTS = (("tcp", 80), ("tcp", 81), ("udp", 80), ("icmp", 0))


def pods(addresses: list[str], others: list[str] | None = None) -> list[Pod]:
    """One for each name in each namespace. others: addresses of the second family."""
    named = (("tcp", "http", 80), ("udp", "names", 80))
    keys = [(space, name) for space in SPACES for name in NAMES]
    second = others or [""] * len(addresses)
    return [
        Pod(name, space, {"pod": name, "ns": space}, address, named, other)
        for (space, name), address, other in zip(keys, addresses, second, strict=True)
    ]


def spaces(rng: Random) -> dict[str, Mapping[str, str]]:
    return {space: {"ns": space, **({"team": "red"} if rng.random() < 0.5 else {})} for space in SPACES}


def policy(rng: Random, name: str, addresses: list[str]) -> Object:
    """As the API server would have taken it."""
    spec: Object = {"podSelector": _selector(rng), "policyTypes": rng.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))}
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        if rng.random() < 0.7:
            spec[direction] = [_rule(rng, peers, addresses) for _ in range(rng.randrange(3))]
    return {"metadata": {"name": name, "namespace": rng.choice(SPACES)}, "spec": spec}


def cluster_policy(rng: Random, name: str, addresses: list[str]) -> Object:
    """As the API server would have taken it."""
    spec: Object = {"tier": rng.choice(("Admin", "Baseline")), "priority": rng.randrange(3), "subject": _cluster_peer(rng, [])}
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        if rng.random() < 0.8:
            given = addresses if direction == "egress" else []
            spec[direction] = [_cluster_rule(rng, peers, given) for _ in range(rng.randrange(1, 4))]
    return {"kind": "ClusterNetworkPolicy", "metadata": {"name": name}, "spec": spec}


def _cluster_rule(rng: Random, peers: str, addresses: list[str]) -> Object:
    rule: Object = {"action": rng.choice(("Accept", "Deny", "Pass"))}
    rule[peers] = [_cluster_peer(rng, addresses) for _ in range(rng.randrange(1, 3))]
    if rng.random() < 0.5:
        rule["protocols"] = [_protocol(rng) for _ in range(rng.randrange(1, 3))]
    return rule


def _cluster_peer(rng: Random, addresses: list[str]) -> Object:
    """addresses: none where networks may not be named."""
    kind = rng.randrange(3 if addresses else 2)
    if kind == 0:
        return {"namespaces": _space_selector(rng)}
    if kind == 1:
        return {"pods": {"namespaceSelector": _space_selector(rng), "podSelector": _selector(rng)}}
    return {"networks": sorted({f"{each}/{128 if ':' in each else 32}" for each in rng.sample(addresses, 2)})}


def _protocol(rng: Random) -> Object:
    choices: list[Object] = [
        {"tcp": {"destinationPort": {"number": 80}}},
        {"tcp": {"destinationPort": {"range": {"start": 79, "end": 81}}}},
        {"udp": {"destinationPort": {"number": 80}}},
        {"destinationNamedPort": "http"},
        {"destinationNamedPort": "names"},
    ]
    return rng.choice(choices)


def _selector(rng: Random) -> Object:
    kind = rng.randrange(5)
    if kind == 0:
        return {}
    if kind == 1:
        return {"matchLabels": {"pod": rng.choice(NAMES)}}
    operator = rng.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    values: Any = {"values": [rng.choice(NAMES)]} if operator in ("In", "NotIn") else {}
    return {"matchExpressions": [{"key": rng.choice(("pod", "team")), "operator": operator, **values}]}


def _space_selector(rng: Random) -> Object:
    return rng.choice(({}, {"matchLabels": {"ns": rng.choice(SPACES)}}, {"matchLabels": {"team": "red"}}))


def _rule(rng: Random, peers: str, addresses: list[str]) -> Object:
    rule: Object = {}
    if rng.random() < 0.8:
        rule[peers] = [_peer(rng, addresses) for _ in range(rng.randrange(1, 4))]
    if rng.random() < 0.6:
        rule["ports"] = [_port(rng) for _ in range(rng.randrange(1, 3))]
    return rule


def _peer(rng: Random, addresses: list[str]) -> Object:
    kind = rng.randrange(4)
    if kind == 0:
        return {"podSelector": _selector(rng)}
    if kind == 1:
        return {"namespaceSelector": _space_selector(rng)}
    if kind == 2:
        return {"namespaceSelector": _space_selector(rng), "podSelector": _selector(rng)}
    six = [each for each in addresses if ":" in each]
    four = [each for each in addresses if ":" not in each]
    own, bits, whole = (six, 128, "fd00::/8") if six and (not four or rng.random() < 0.5) else (four, 32, "10.0.0.0/8")
    if rng.random() < 0.3:
        return {"ipBlock": {"cidr": f"{rng.choice(own)}/{bits}"}}
    return {"ipBlock": {"cidr": whole, "except": [f"{each}/{bits}" for each in rng.sample(own, 2)]}}


def _port(rng: Random) -> Object:
    choices: list[Object] = [
        {"protocol": "TCP", "port": 80},
        {"protocol": "TCP", "port": 81},
        {"protocol": "TCP", "port": 79, "endPort": 80},
        {"protocol": "TCP", "port": "http"},
        {"protocol": "UDP"},
        {"protocol": "UDP", "port": "names"},
        {"protocol": "TCP"},
    ]
    return rng.choice(choices)
