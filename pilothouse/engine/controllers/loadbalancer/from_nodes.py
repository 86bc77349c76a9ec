"""Which nodes' addresses a Service gets where there are no pools. Pure.

A node's address is shared by all Services, port by port, and with the node's own processes: a port that is in use there already stays with
whoever has it, and the node is left out. With externalTrafficPolicy Local only nodes with an endpoint count.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pilothouse.engine.controllers.loadbalancer.assignments import Assignments, Claim
from pilothouse.engine.controllers.loadbalancer.from_pools import Grant
from pilothouse.engine.controllers.loadbalancer.wish import Refused, Wish
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import Address, node_addresses, ports_in_use, usable_nodes

MOST = 16
"""Addresses of one Service: more than that nobody looks at, and each is written into the Service again when a node changes."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """all: those of the cluster. serving: names of those with a ready endpoint of the Service, None where that does not matter.

    node_ports: what Services have as node ports, such as `tcp/30080`.
    """

    all: Sequence[Object]
    serving: Collection[str] | None
    node_ports: Collection[str]


def choose(service: Object, nodes: Nodes, given: Assignments) -> Grant:
    """Raises Refused."""
    wish = Wish.of(service)
    if wish.pool or wish.addresses:
        asked = wish.pool or ", ".join(str(each) for each in wish.addresses)
        raise Refused(f"it asks for {asked}, and there is no IPAddressPool: make one in the namespace metallb-system")
    claim = Claim.of(service)
    found: list[Address] = []
    problems: list[str] = []
    for node in _usable(nodes):
        own = [each for each in node_addresses(node) if each.version in wish.versions]
        hindrances = [_hindrance(claim, node, address, nodes, given) for address in own]
        found += [address for address, why in zip(own, hindrances, strict=True) if not why]
        problems += [why for why in hindrances if why]
    found = [each for each in dict.fromkeys(found) if each.version in wish.versions]
    _check(wish, found, problems, nodes)
    found.sort(key=lambda each: wish.versions.index(each.version))
    return Grant(tuple(found[:MOST]), remark="; ".join(problems[:5]))


def _usable(nodes: Nodes) -> list[Object]:
    found = usable_nodes(nodes.all)
    return found if nodes.serving is None else [node for node in found if meta.name(node) in nodes.serving]


def _hindrance(claim: Claim, node: Object, address: Address, nodes: Nodes, given: Assignments) -> str:
    name, where = meta.name(node), f"{address} of node {meta.name(node)}"
    if taken := claim.ports & ports_in_use(node):
        return f"{_shown(taken)} of {name} is used by a program of the node"
    if taken := claim.ports & set(nodes.node_ports):
        return f"{_shown(taken)} is the node port of a Service"
    is_own = address in given.has(claim.service)
    for other in given.others(address, claim.service):
        if (taken := claim.ports & other.ports) and (not is_own or other.age < claim.age):
            return f"{_shown(taken)} at {where} is {other.service}'s"
    return ""


def _shown(ports: Iterable[str]) -> str:
    return "port " + " and ".join(sorted(ports))


def _check(wish: Wish, found: Sequence[Address], problems: Sequence[str], nodes: Nodes) -> None:
    versions = {each.version for each in found}
    missing = [version for version in wish.versions if version not in versions]
    if not missing or (found and not wish.needs_all):
        return
    if problems:
        raise Refused(f"{'; '.join(problems[:5])}: take other ports, or make an IPAddressPool, whose addresses no node has")
    if nodes.serving is not None and not nodes.serving:
        raise Refused("no node has a ready endpoint of it, and externalTrafficPolicy is Local")
    families = " and ".join(f"IPv{version}" for version in missing)
    raise Refused(f"no node that is ready has an {families} address that others reach: give the machine one, or make an IPAddressPool")
