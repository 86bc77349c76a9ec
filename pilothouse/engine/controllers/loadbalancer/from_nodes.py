"""Which nodes' addresses a Service gets where there are no pools. Pure.

A node's address is shared by all Services, port by port, and with the node's own processes: a port that is in use there already stays with
whoever has it, and the node is left out. With externalTrafficPolicy Local only nodes with an endpoint count.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pilothouse.engine.controllers.loadbalancer.assignments import Assignments, Claim
from pilothouse.engine.controllers.loadbalancer.from_pools import Grant
from pilothouse.engine.controllers.loadbalancer.node_addresses import Believed, Said
from pilothouse.engine.controllers.loadbalancer.wish import Refused, Wish
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import Address

MOST = 16
"""Addresses of one Service: more than that nobody looks at, and each is written into the Service again when a node changes."""
MOST_PROBLEMS = 5


@dataclass(frozen=True, slots=True)
class Nodes:
    """believed: those of the cluster. serving: names of those with a ready endpoint of the Service, None where that does not matter.

    node_ports: what Services have as node ports, such as `tcp/30080`.
    """

    believed: Believed
    serving: Collection[str] | None
    node_ports: Collection[str]


def choose(service: Object, nodes: Nodes, given: Assignments) -> Grant:
    """Raises Refused."""
    wish = Wish.of(service)
    if wish.pool or wish.addresses:
        asked = wish.pool or ", ".join(str(each) for each in wish.addresses)
        raise Refused(f"it asks for {asked}, and there is no IPAddressPool: make one in the namespace metallb-system")
    claim = Claim.of(service)
    found, problems = _search(wish, claim, nodes, given)
    _check(wish, found, problems, nodes)
    return Grant(tuple(each for version in wish.versions for each in found if each.version == version), remark="; ".join(problems))


def _search(wish: Wish, claim: Claim, nodes: Nodes, given: Assignments) -> tuple[list[Address], list[str]]:
    """Addresses, as many of each family as a Service may have, and what hindered others. Ends as soon as there are enough."""
    found: list[Address] = []
    problems: list[str] = []
    room = dict.fromkeys(wish.versions, MOST // len(wish.versions))
    for node in nodes.believed.usable:
        if nodes.serving is not None and node.name not in nodes.serving:
            continue
        for address in nodes.believed.offered.get(node.name, ()):
            if not room.get(address.version):
                continue
            if why := _hindrance(claim, node, address, nodes, given):
                problems += [why] if len(problems) < MOST_PROBLEMS else []
            else:
                found.append(address)
                room[address.version] -= 1
        if not any(room.values()):
            break
    return found, problems


def _hindrance(claim: Claim, node: Said, address: Address, nodes: Nodes, given: Assignments) -> str:
    if taken := claim.ports & node.ports:
        return f"{_shown(taken)} of {node.name} is used by a program of the node"
    if taken := claim.ports.intersection(nodes.node_ports):
        return f"{_shown(taken)} is the node port of a Service"
    is_own = address in given.has(claim.service)
    for other in given.rivals(address, claim):
        if not is_own or other.age < claim.age:
            return f"{_shown(claim.ports & other.ports)} at {address} of node {node.name} is {other.service}'s"
    return ""


def _shown(ports: Iterable[str]) -> str:
    return "port " + " and ".join(sorted(ports))


def _check(wish: Wish, found: Sequence[Address], problems: Sequence[str], nodes: Nodes) -> None:
    versions = {each.version for each in found}
    missing = [version for version in wish.versions if version not in versions]
    if not missing or (found and not wish.needs_all):
        return
    if problems:
        raise Refused(f"{'; '.join(problems)}: take other ports, or make an IPAddressPool, whose addresses no node has")
    if nodes.serving is not None and not nodes.serving:
        raise Refused("no node has a ready endpoint of it, and externalTrafficPolicy is Local")
    families = " and ".join(f"IPv{version}" for version in missing)
    raise Refused(f"no node that is ready has an {families} address that others reach: give the machine one, or make an IPAddressPool")
