"""Which Services' addresses this node announces to routers. Pure.

Of load balancers what BGPAdvertisements say; of cluster and external IPs the networks that the ClusterNetwork names, as a whole. A Service
whose traffic from outside stays on the node (`externalTrafficPolicy: Local`) is announced by the nodes with a ready endpoint alone, one
address at a time: routers prefer the longer prefix.
Source: metallb/metallb speaker/bgp_controller.go, internal/config; Calico, "Advertise Kubernetes service IP addresses".
"""

import ipaddress
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.address_pools import Pool, parse
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import EXCLUDED, address, ingress_addresses, is_balanced, is_local, is_usable, serving_nodes
from pilothouse.model.selector import Selector, from_label_selector
from pilothouse.network.backends.bgp.communities import commands
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import Address, Network, is_inside

Networks = Mapping[Network, frozenset["Attributes"]]
"""What is announced, and how."""


@dataclass(frozen=True, slots=True, order=True)
class Attributes:
    """One advertisement. peers: BGPPeers it is for, all when empty.

    communities: as BIRD's filters say it, such as `bgp_community.add((64512,100));`.
    """

    peers: tuple[str, ...] = ()
    local_preference: int = 0
    communities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Addresses that the same advertisements speak of. number: follows from these, so that it stays the same whatever else changes."""

    number: int
    attributes: tuple[Attributes, ...]

    @classmethod
    def of(cls, attributes: Iterable[Attributes]) -> "Group":
        ordered = tuple(sorted(attributes))
        return cls(zlib.crc32(repr(ordered).encode()), ordered)

    def lines(self, peer: str, *, is_internal: bool) -> Sequence[str] | None:
        """What to do with a route before it is told to a router; None when it is not told. is_internal: of the same AS, where preferences
        go (RFC 4271, section 5.1.5)."""
        found = [each for each in self.attributes if not each.peers or peer in each.peers]
        if not found:
            return None
        preference = max(each.local_preference for each in found)
        lines = [f"bgp_local_pref = {preference};"] if preference and is_internal else []
        return lines + sorted({line for each in found for line in each.communities})


@dataclass(frozen=True, slots=True)
class Announcement:
    """version: of IP. prefix: the network as text. group: the number of one."""

    version: int
    prefix: str
    group: int


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A BGPAdvertisement. lengths: of the prefixes, by IP version. pools: names; None for all."""

    name: str
    lengths: Mapping[int, int]
    pools: frozenset[str] | None
    services: tuple[Selector, ...]
    attributes: Attributes

    def takes(self, service: Object, pool: str) -> bool:
        if self.pools is not None and pool not in self.pools:
            return False
        return not self.services or any(each.matches(meta.labels(service)) for each in self.services)


@dataclass(frozen=True, slots=True)
class Plan:
    """How this node announces. pools: as far as they are understood. problems: by BGPAdvertisement, why it counts for nothing."""

    node: str
    is_excluded: bool
    settings: BGPSettings
    pools: tuple[Pool, ...]
    advertisements: tuple[Advertisement, ...]
    problems: Mapping[str, str]

    def of_settings(self) -> Networks:
        """Whatever Services there are."""
        return {network: frozenset([Attributes()]) for network in self.settings.announced}

    def of_service(self, service: Object, slices: Iterable[Object]) -> Networks:
        """slices: its EndpointSlices."""
        found: dict[Network, frozenset[Attributes]] = {}
        serving = serving_nodes(slices)
        if not serving or (is_local(service) and self.node not in serving):
            return found
        for network, attributes in (*self._balanced(service), *self._local(service)):
            found[network] = found.get(network, frozenset()) | {attributes}
        return found

    def _balanced(self, service: Object) -> Iterator[tuple[Network, Attributes]]:
        if not is_balanced(service) or self.is_excluded:
            return
        for each in ingress_addresses(service):
            pool = next((pool for pool in self.pools if pool.holds(each)), None)
            for advertisement in self.advertisements if pool is not None else ():
                if pool is not None and advertisement.takes(service, pool.name):
                    yield _aggregate(each, advertisement.lengths[each.version], pool), advertisement.attributes

    def _local(self, service: Object) -> Iterator[tuple[Network, Attributes]]:
        """Cluster and external IPs whose network is announced as a whole by every node."""
        if not is_local(service):
            return
        spec = service.get("spec") or {}
        for text in (*(spec.get("clusterIPs") or ()), *(spec.get("externalIPs") or ())):
            found = address(text)
            if found is not None and any(is_inside(ipaddress.ip_network(found), network) for network in self.settings.announced):
                yield ipaddress.ip_network(found), Attributes()


def plan(
    node: Object,
    settings: BGPSettings,
    *,
    pools: Iterable[Object] = (),
    advertisements: Iterable[Object] = (),
    communities: Iterable[Object] = (),
) -> Plan:
    """pools, advertisements, communities: the objects of metallb.io."""
    understood: list[tuple[Pool, Object]] = []
    for obj in sorted(pools, key=meta.name):
        try:
            understood.append((parse(obj), obj))
        except ValueError:
            # Named by the controller that gives addresses of it.
            continue
    aliases = {
        str(each.get("name")): str(each.get("value"))
        for obj in sorted(communities, key=meta.name)
        for each in (obj.get("spec") or {}).get("communities") or ()
    }
    found: list[Advertisement] = []
    problems: dict[str, str] = {}
    for obj in sorted(advertisements, key=meta.name):
        try:
            if _is_for(obj, node):
                found.append(_advertisement(obj, understood, aliases))
        except ValueError as error:
            problems[meta.name(obj)] = str(error)
    is_excluded = EXCLUDED in meta.labels(node) or not is_usable(node)
    return Plan(meta.name(node), is_excluded, settings, tuple(pool for pool, _ in understood), tuple(found), problems)


def _advertisement(obj: Object, pools: Sequence[tuple[Pool, Object]], aliases: Mapping[str, str]) -> Advertisement:
    """Raises ValueError."""
    spec: Object = obj.get("spec") or {}
    names, selectors = spec.get("ipAddressPools") or (), [from_label_selector(each) for each in spec.get("ipAddressPoolSelectors") or ()]
    chosen = None
    if names or selectors:
        chosen = frozenset(pool.name for pool, o in pools if pool.name in names or any(each.matches(meta.labels(o)) for each in selectors))
    return Advertisement(
        meta.name(obj),
        {4: spec.get("aggregationLength") or 32, 6: spec.get("aggregationLengthV6") or 128},
        chosen,
        tuple(from_label_selector(each) for each in spec.get("serviceSelectors") or ()),
        Attributes(
            tuple(sorted(spec.get("peers") or ())),
            spec.get("localPref") or 0,
            tuple(sorted(commands(spec.get("communities") or (), aliases))),
        ),
    )


def _is_for(obj: Object, node: Object) -> bool:
    """Raises ValueError."""
    selectors = (obj.get("spec") or {}).get("nodeSelectors") or ()
    return not selectors or any(from_label_selector(each).matches(meta.labels(node)) for each in selectors)


def _aggregate(found: Address, length: int, pool: Pool) -> Network:
    """The network around the address; the address alone where that has others than the pool's, whose packets would come here, too."""
    whole = ipaddress.ip_network((found, min(length, found.max_prefixlen)), strict=False)
    if any(each.holds(whole[0]) and each.holds(whole[-1]) for each in pool.ranges):
        return whole
    return ipaddress.ip_network(found)
