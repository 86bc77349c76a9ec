"""Who answers for which address. Pure.

All nodes come to the same result from the same objects, without asking each other: an address stays with the node that says it has it
(ServiceL2Status) while that may, else it goes to the candidate with the highest hash of node and address (`ranking`). Who is second is on
guard for the first (`guard`).
Source: metallb.io, concepts, "MetalLB in layer 2 mode".
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.model import meta, selector
from pilothouse.model.address_pools import Pools
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import Address, ingress_addresses, is_balanced, is_local
from pilothouse.network.announce.nodes import Network, Node
from pilothouse.network.announce.ranking import Ranking


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
    """services: all that are balanced. nodes: those that may announce (`Nodes.usable`).

    serving: nodes with a ready endpoint, by the keys of Services with externalTrafficPolicy Local. holders: nodes by the keys of
    Services, as ServiceL2Statuses say, those that count first. pool_labels: by names of pools.
    """

    services: Sequence[Object]
    nodes: Sequence[Node]
    pools: Pools
    pool_labels: Mapping[str, Mapping[str, str]]
    advertisements: Sequence[Object]
    serving: Mapping[str, Collection[str]] = field(default_factory=dict)
    holders: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lost:
    """Who does not answer, whatever the API says. nodes: at none of their addresses. addresses: with the node that does not at that one."""

    nodes: frozenset[str] = frozenset()
    addresses: Mapping[Address, frozenset[str]] = field(default_factory=dict)

    def at(self, address: Address) -> frozenset[str]:
        """Names of nodes that are not to have the address."""
        return self.nodes | self.addresses.get(address, frozenset())


class Planner:
    """here: this node. Keeps from one plan to the next what depends on nodes and advertisements alone, so that a plan costs about 10 us an
    address, however many nodes there are. Owned by one thread at a time.
    """

    def __init__(self, here: str) -> None:
        self._here = here
        self._ranking = Ranking()
        self._nodes: Sequence[Node] = ()
        self._told: Sequence[Object] = ()
        self._advertisements: tuple[_Advertisement, ...] = ()
        self._groups: dict[tuple[int, ...], _Group] = {}

    def plan(self, world: World, lost: Lost) -> dict[Address, Announced]:
        """Every address of pools that Services have."""
        self._read(world)
        by_address: dict[Address, list[Object]] = {}
        for service in world.services:
            if is_balanced(service) and not meta.is_deleting(service):
                for address in ingress_addresses(service):
                    by_address.setdefault(address, []).append(service)
        self._ranking.keep(by_address.keys())
        found = {}
        for address, services in by_address.items():
            if (pool := world.pools.of(address)) is not None:
                found[address] = self._announced(address, services, pool.name, world, lost)
        return found

    def _read(self, world: World) -> None:
        if world.advertisements != self._told:
            self._told = list(world.advertisements)
            self._advertisements = tuple(_Advertisement(each) for each in world.advertisements)
            self._groups.clear()
        if world.nodes is not self._nodes:
            self._nodes = world.nodes
            self._groups.clear()

    def _group(self, pool: str, labels: Mapping[str, str], services: Sequence[Object]) -> "_Group | None":
        """None when no advertisement is meant."""
        numbers = tuple(
            number for number, each in enumerate(self._advertisements) if any(each.is_for(pool, labels, service) for service in services)
        )
        if numbers and numbers not in self._groups:
            self._groups[numbers] = _Group([self._advertisements[number] for number in numbers], self._nodes, self._here)
        return self._groups.get(numbers)

    def _announced(self, address: Address, services: Sequence[Object], pool: str, world: World, lost: Lost) -> Announced:
        keys = tuple(sorted(meta.key(each) for each in services))
        group = self._group(pool, world.pool_labels.get(pool, {}), services)
        if group is None:
            return Announced(address, keys, why=f"no L2Advertisement names pool {pool}")
        if not group.names:
            return Announced(address, keys, why="no node that is ready may announce it")
        allowed = group.names
        for service in services:
            if is_local(service):
                allowed = allowed.intersection(world.serving.get(meta.key(service), ()))
        if not allowed:
            return Announced(address, keys, why="no node has a ready endpoint, and externalTrafficPolicy is Local")
        interfaces = group.interfaces if self._here in allowed else frozenset[str]()
        near = group.near(address)
        candidates = (near if allowed is group.names else near & allowed) or allowed
        passed_over = lost.at(address)
        ranked = self._ranking.first(address, candidates, passed_over)
        said = (name for key in keys for name in world.holders.get(key, ()))
        holder = next((name for name in said if name in candidates and name not in passed_over), "")
        owner, second = (*([holder] if holder else []), *(name for name in ranked if name != holder), "", "")[:2]
        return Announced(address, keys, interfaces, owner, second, "" if owner else "no node that may announce it answers")


class _Group:
    """Nodes that may announce by some advertisements, and where they are. interfaces: of this node; None when one names none."""

    def __init__(self, meant: Sequence["_Advertisement"], nodes: Sequence[Node], here: str) -> None:
        self._near: dict[tuple[Network, ...], frozenset[str]] = {}
        self._by_network: dict[tuple[int, int], dict[int, tuple[Network, set[str]]]] = {}
        self._named: set[str] = set()
        allowed = [node for node in nodes if any(each.allows(node) for each in meant)]
        self.names = frozenset(node.name for node in allowed)
        mine = [each for each in meant if any(node.name == here and each.allows(node) for node in allowed)]
        is_open = any(not each.interfaces for each in mine)
        self.interfaces = None if is_open else frozenset[str]().union(*(each.interfaces for each in mine))
        for node in allowed:
            self._place(node, {name for each in meant if each.allows(node) for name in each.interfaces})

    def near(self, address: Address) -> frozenset[str]:
        """Nodes that have a link with the address's network, or one that an advertisement names."""
        found: list[tuple[Network, set[str]]] = []
        for (version, prefix), networks in self._by_network.items():
            if version == address.version and (here := networks.get(int(address) >> (address.max_prefixlen - prefix))) is not None:
                found.append(here)
        key = tuple(network for network, _ in found)
        if key not in self._near:
            self._near[key] = frozenset(self._named.union(*(names for _, names in found)))
        return self._near[key]

    def _place(self, node: Node, named: Collection[str]) -> None:
        for place in node.places:
            if place.name in named:
                self._named.add(node.name)
            for network in place.networks:
                bits = network.max_prefixlen - network.prefixlen
                networks = self._by_network.setdefault((network.version, network.prefixlen), {})
                networks.setdefault(int(network.network_address) >> bits, (network, set()))[1].add(node.name)


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

    def allows(self, node: Node) -> bool:
        return not self._nodes or _matches(self._nodes, node.labels)


def _selectors(found: Iterable[Object] | None) -> tuple[selector.Selector, ...]:
    try:
        return tuple(selector.from_label_selector(each) for each in found or ())
    except selector.SelectorError:
        return (selector.from_label_selector(None),)


def _matches(selectors: Iterable[selector.Selector], labels: Mapping[str, str]) -> bool:
    return any(each.matches(labels) for each in selectors)
