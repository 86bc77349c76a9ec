"""Who answers for which address. Pure.

All nodes come to the same result from the same objects, without asking each other: an address stays with the node that says it has it
(ServiceL2Status) while that may, else it goes to the candidate with the highest hash of node and address. Who is second is on guard for
the first (`component`).
Source: metallb.io, concepts, "MetalLB in layer 2 mode"; RFC draft "Highest Random Weight" (rendezvous hashing).
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from pilothouse.model import meta, selector
from pilothouse.model.address_pools import Pools
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import LINKS, Address, ingress_addresses, is_balanced, is_local, usable_nodes


@dataclass(frozen=True, slots=True)
class Place:
    """A link of a node. networks: as text."""

    name: str
    mac: bytes
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """services: keys of those with the address. interfaces: where this node may announce it, None for where the link has its network.

    owner: the node that is to answer for it, "" for nobody; second: who is on guard. why: nothing is announced, and why; else "".
    """

    address: Address
    services: tuple[str, ...]
    interfaces: frozenset[str] | None = None
    owner: str = ""
    second: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """services: all that may be balanced. serving: nodes with a ready endpoint, by the keys of Services with externalTrafficPolicy Local.

    holders: nodes by the keys of Services, as ServiceL2Statuses say. pool_labels: by names of pools.
    """

    services: Sequence[Object]
    nodes: Sequence[Object]
    pools: Pools
    pool_labels: Mapping[str, Mapping[str, str]]
    advertisements: Sequence[Object]
    serving: Mapping[str, Collection[str]] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)


def plan(world: World, here: str, lost: Collection[str] = ()) -> dict[Address, Announced]:
    """Every address of pools that Services have. here: this node. lost: nodes that do not answer, whatever the API says of them."""
    by_address: dict[Address, list[Object]] = {}
    for service in world.services:
        if is_balanced(service) and not meta.is_deleting(service):
            for address in ingress_addresses(service):
                by_address.setdefault(address, []).append(service)
    usable = [node for node in usable_nodes(world.nodes) if LINKS in meta.annotations(node)]
    places = {meta.name(node): places_of(node) for node in usable}
    advertisements = [_Advertisement(each) for each in world.advertisements]
    return {
        address: found
        for address, services in by_address.items()
        if (found := _announced(address, services, world, usable, places, advertisements, here, lost)) is not None
    }


def places_of(node: Object) -> tuple[Place, ...]:
    """The node's links as it says; none for a text that is not understood."""
    try:
        found = json.loads(meta.annotations(node).get(LINKS) or "[]")
        return tuple(Place(str(each["name"]), bytes.fromhex(each["mac"].replace(":", "")), tuple(each["networks"])) for each in found)
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


class _Advertisement:
    """An L2Advertisement with its selectors read. One that is not understood selects nothing."""

    def __init__(self, obj: Object) -> None:
        spec = obj.get("spec") or {}
        self.interfaces = frozenset(spec.get("interfaces") or ())
        self._names = frozenset(spec.get("ipAddressPools") or ())
        self._pools = _selectors(spec.get("ipAddressPoolSelectors"))
        self._nodes = _selectors(spec.get("nodeSelectors"))
        self._services = _selectors(spec.get("serviceSelectors"))

    def is_for(self, pool: str, labels: Mapping[str, str], service: Object) -> bool:
        is_meant = pool in self._names or _matches(self._pools, labels) if self._names or self._pools else True
        return is_meant and (not self._services or _matches(self._services, meta.labels(service)))

    def allows(self, node: Object) -> bool:
        return not self._nodes or _matches(self._nodes, meta.labels(node))


def _selectors(found: Iterable[Object] | None) -> tuple[selector.Selector, ...]:
    try:
        return tuple(selector.from_label_selector(each) for each in found or ())
    except selector.SelectorError:
        return (selector.from_label_selector(None),)


def _matches(selectors: Iterable[selector.Selector], labels: Mapping[str, str]) -> bool:
    return any(each.matches(labels) for each in selectors)


def _announced(
    address: Address,
    services: Sequence[Object],
    world: World,
    usable: Sequence[Object],
    places: Mapping[str, tuple[Place, ...]],
    advertisements: Sequence[_Advertisement],
    here: str,
    lost: Collection[str],
) -> Announced | None:
    """None for an address that is no pool's."""
    pool = world.pools.of(address)
    if pool is None:
        return None
    keys = tuple(sorted(meta.key(each) for each in services))
    labels = world.pool_labels.get(pool.name, {})
    meant = [each for each in advertisements if any(each.is_for(pool.name, labels, service) for service in services)]
    if not meant:
        return Announced(address, keys, why=f"no L2Advertisement names pool {pool.name}")
    found = [node for node in usable if any(each.allows(node) for each in meant)]
    if not found:
        return Announced(address, keys, why="no node that is ready may announce it")
    for service in services:
        if is_local(service):
            found = [node for node in found if meta.name(node) in world.serving.get(meta.key(service), ())]
    if not found:
        return Announced(address, keys, why="no node has a ready endpoint, and externalTrafficPolicy is Local")
    interfaces = _interfaces(meant, found, here)
    names = [meta.name(node) for node in found if _reaches(address, node, meant, places)] or [meta.name(node) for node in found]
    ranked = sorted((name for name in names if name not in lost), key=lambda name: _weight(name, address), reverse=True)
    holder = next((world.holders[key] for key in keys if world.holders.get(key) in ranked), "")
    if holder:
        ranked.remove(holder)
        ranked.insert(0, holder)
    owner, second = (*ranked, "", "")[:2]
    return Announced(address, keys, interfaces, owner, second, "" if owner else "no node that may announce it answers")


def _interfaces(meant: Sequence[_Advertisement], nodes: Sequence[Object], here: str) -> frozenset[str] | None:
    """Of this node; None when one of the advertisements names none."""
    node = next((each for each in nodes if meta.name(each) == here), None)
    mine = [each for each in meant if node is not None and each.allows(node)]
    if any(not each.interfaces for each in mine):
        return None
    return frozenset[str]().union(*(each.interfaces for each in mine))


def _reaches(address: Address, node: Object, meant: Sequence[_Advertisement], places: Mapping[str, tuple[Place, ...]]) -> bool:
    """Whether the node has a link with the address's network, or one that an advertisement names."""
    named = {name for each in meant if each.allows(node) for name in each.interfaces}
    for place in places[meta.name(node)]:
        if place.name in named:
            return True
        try:
            if any(address in ip_network(text) for text in place.networks):
                return True
        except ValueError:
            continue
    return False


def _weight(node: str, address: Address) -> bytes:
    return hashlib.sha256(f"{node}#{address}".encode()).digest()
