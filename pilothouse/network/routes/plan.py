"""Which routes a node needs for the pods of the others. Pure.

A route is only made for a range inside the pod network, and of those that overlap only for the older Node's, after this node's own:
whatever a Node says, no route takes other traffic of the machine. A Node in a network within its machine names that machine's address,
which leads there from all others.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.node_objects import REACHED_BY
from pilothouse.network.routes.config import NodeRoutesConfig


@dataclass(frozen=True, slots=True)
class Route:
    """To the addresses of a node's pods, by the node's own or its machine's. destination: a CIDR."""

    destination: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Plan:
    """routes: by node. problems: by node, why there is none."""

    routes: Mapping[str, Route]
    problems: Mapping[str, str]


def plan(nodes: Iterable[Object], config: NodeRoutesConfig) -> Plan:
    routes: dict[str, Route] = {}
    problems: dict[str, str] = {}
    taken: list[ipaddress.IPv4Network] = []
    here = ""
    for node in sorted(nodes, key=lambda each: _rank(each, config)):
        name = meta.name(node)
        here = _address(node) or "" if name == config.node else here
        text = (node.get("spec") or {}).get("podCIDR") or ""
        if not text:
            continue
        network, why = _inside(text, config, taken)
        if network is None:
            problems[name] = why
            continue
        taken.append(network)
        if name == config.node:
            continue
        gateway = _machine(node, here) or _address(node)
        if gateway is None:
            problems[name] = "its status has no IPv4 address of type InternalIP"
        elif ipaddress.IPv4Address(gateway) in config.cluster:
            problems[name] = f"its address {gateway} is one of the pod network: give the node another with --api-listen or --node-ip"
        else:
            routes[name] = Route(str(network), gateway)
    return Plan(routes, problems)


def _rank(node: Object, config: NodeRoutesConfig) -> tuple[bool, str, str]:
    """This node first: no route may take its own pods away."""
    return meta.name(node) != config.node, str(node["metadata"].get("creationTimestamp")), meta.name(node)


def _inside(text: str, config: NodeRoutesConfig, taken: Iterable[ipaddress.IPv4Network]) -> tuple[ipaddress.IPv4Network | None, str]:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        return None, f"spec.podCIDR {text} is no IPv4 network"
    if not network.subnet_of(config.cluster):
        return None, f"spec.podCIDR {text} is not inside the pod network {config.cluster}"
    if other := next((each for each in taken if each.overlaps(network)), None):
        return None, f"spec.podCIDR {text} overlaps {other} of an older node"
    return network, ""


def _machine(node: Object, here: str) -> str | None:
    """The address of the node's machine, where that is not this one. here: this node's own address."""
    stated = (node["metadata"].get("annotations") or {}).get(REACHED_BY) or here
    try:
        return None if stated == here else str(ipaddress.IPv4Address(stated))
    except ValueError:
        return None


def _address(node: Object) -> str | None:
    for each in (node.get("status") or {}).get("addresses") or ():
        if each.get("type") == "InternalIP":
            try:
                return str(ipaddress.IPv4Address(each.get("address")))
            except ValueError:
                continue
    return None
