"""What one service needs in the tables of nftables, as data. Pure.

Where a service answers (its frontends) leads to a chain that picks one of its endpoints; the endpoints themselves are elements of maps
that all services share. Chains say how many endpoints there are, never which (see `chains`).
Source: Kubernetes, "Virtual IPs and Service Proxies"; KEP-3866 (nftables proxy) for the traffic policies.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pilothouse.model.json import Object
from pilothouse.model.load_balancers import source_ranges
from pilothouse.network.service import chains
from pilothouse.network.service.affinity import Affinity, Pick, Seats, affinity_of, seated, seats_of, stay
from pilothouse.network.service.chains import LOCAL_BASE, MOST_ENDPOINTS, Chains
from pilothouse.network.service.config import LOOPBACK, FamilyConfig, ServiceProxyConfig
from pilothouse.network.service.endpoints import Choice, Endpoint, Endpoints, Site, Target, is_proxied
from pilothouse.network.service.family import family_of

PROTOCOLS = ("tcp", "udp", "sctp")
MOST_PORTS, MOST_TARGETS, MOST_ALLOWED = 2_000, 50_000, 10_000
"""Of one service: each change of an endpoint looks at all of them. Targets: endpoints of each port, over all ports and addresses. Allowed:
networks that clients may be in, likewise; the kernel copies those of all services when one changes."""


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """What a frontend answers to. address: "" for every address with node ports."""

    address: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Frontend:
    """verdict: what becomes of a packet. pools: names of those that its endpoints are in, and each one's first number.

    networks: from where alone packets are taken, when the verdict says so.
    """

    verdict: str
    pools: tuple[tuple[str, int], ...] = ()
    networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one service needs in the table of one IP family.

    chains: name -> rules. pools: name -> endpoints, in any order. affinity, seats: how clients are remembered, and the seats of each pool's
    endpoints, by its name; None and empty for services that remember none. addresses: of all endpoints that are routed to;
    leaving: those of them whose pod is terminating, routed to as the last resort or since the service takes endpoints in any state.
    """

    frontends: dict[Where, Frontend] = field(default_factory=dict)
    pools: dict[str, tuple[Target, ...]] = field(default_factory=dict)
    chains: Chains = field(default_factory=dict)
    affinity: Affinity | None = None
    seats: dict[str, Seats] = field(default_factory=dict)
    addresses: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)

    def targets(self, where: Where) -> frozenset[Target]:
        """All endpoints that traffic to there may be led to."""
        frontend = self.frontends.get(where)
        return frozenset(target for name, _ in frontend.pools for target in self.pools[name]) if frontend else frozenset()


NOTHING = Fragment()


@dataclass(frozen=True, slots=True)
class Health:
    """What a load balancer in front of the nodes is told. endpoints: how many of this node take new connections."""

    port: int
    endpoints: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one service. fragments: by IP family, in the configuration's order.

    refused: external addresses that are the cluster's to give out, which no Service may take by naming them. sctp: whether it has ports of
    that protocol. local_only: from where traffic finds no endpoint on this node though there are some elsewhere ("internal", "external").
    """

    fragments: tuple[Fragment, ...]
    refused: tuple[str, ...] = ()
    health: Health | None = None
    sctp: bool = False
    local_only: frozenset[str] = frozenset()


def nothing(config: ServiceProxyConfig) -> Plan:
    return Plan((NOTHING,) * len(config.families))


def plan(
    service: Object | None,
    slices: Sequence[Object],
    config: ServiceProxyConfig,
    zone: str = "",
    protocols: Sequence[str] = PROTOCOLS,
    *,
    before: Sequence[Fragment] = (),
) -> Plan:
    """service None: it is gone. slices: all of this service. protocols: those that the kernel translates. before: what it needed until now,
    by IP family; seats in there are kept.

    Raises ValueError for a service that is more than a node can take, or that says what the API does not allow.
    """
    if service is None or not is_proxied(service):
        return nothing(config)
    site = Site(config.node, zone)
    ports = [port for port in service["spec"].get("ports") or () if _protocol(port) in PROTOCOLS]
    carried = [port for port in ports if _protocol(port) in protocols]
    found = [Endpoints(slices, each.family) for each in config.families]
    former = before or (NOTHING,) * len(config.families)
    writers = [_Writer(service, config, *each) for each in zip(config.families, former, strict=True)]
    _bound(ports, found, writers)
    for endpoints, writer in zip(found, writers, strict=True):
        for port in carried:
            writer.write(port, endpoints.of(port, site))
    return Plan(
        tuple(writer.fragment for writer in writers),
        tuple(sorted({address for address in _external(service) if config.is_given_out(address)})),
        _health(service, config, writers),
        any(_protocol(port) == "sctp" for port in ports),
        frozenset[str]().union(*(writer.local_only for writer in writers)),
    )


def _protocol(port: Object) -> str:
    return str(port.get("protocol") or "TCP").lower()


def _bound(ports: Sequence[Object], found: Sequence[Endpoints], writers: "Sequence[_Writer]") -> None:
    if len(ports) > MOST_PORTS:
        raise ValueError(f"it has {len(ports)} ports, and {MOST_PORTS} are the most: make several Services of it")
    longest = max((endpoints.count(port) for endpoints in found for port in ports), default=0)
    if longest > MOST_ENDPOINTS:
        raise ValueError(f"a port of it leads to {longest} endpoints, and {MOST_ENDPOINTS} are the most: make several Services of it")
    pairs = sum(endpoints.count(port) * writer.addresses for endpoints, writer in zip(found, writers, strict=True) for port in ports)
    if pairs > MOST_TARGETS:
        raise ValueError(f"its {len(ports)} ports lead to {pairs} places, and {MOST_TARGETS} are the most: make several Services of it")
    allowed = len(ports) * max(writer.allowed for writer in writers)
    if allowed > MOST_ALLOWED:
        raise ValueError(
            f"its loadBalancerSourceRanges are {allowed} entries over all ports and addresses, and {MOST_ALLOWED} are the most: "
            "put them together to larger ones, or make several Services of it"
        )


def _health(service: Object, config: ServiceProxyConfig, writers: "Sequence[_Writer]") -> Health | None:
    """Source: kube-proxy's pkg/proxy/healthcheck."""
    spec = service["spec"]
    port = spec.get("healthCheckNodePort") or 0
    if spec.get("type") != "LoadBalancer" or spec.get("externalTrafficPolicy") != "Local" or not 0 < port < 65536:
        return None
    primary = family_of(spec["clusterIP"])
    return Health(port, sum(len(writer.local_ready) for writer in writers if writer.config.family == primary))


class _Writer:
    """Writes the fragment of one service for one IP family, port by port."""

    def __init__(self, service: Object, config: ServiceProxyConfig, family: FamilyConfig, before: Fragment) -> None:
        self._spec = service["spec"]
        self.config, self.before, self.is_here = family, before, config.is_here
        self._ranges = _source_ranges(service, family.family.version)
        spec = self._spec
        self._cluster = tuple(family.family.of(spec.get("clusterIPs") or [spec["clusterIP"]]))
        self._external = tuple(each for each in family.family.of(spec.get("externalIPs") or ()) if not config.is_given_out(each))
        named = family.family.of(_balancer_addresses(service)) if spec.get("type") == "LoadBalancer" else ()
        self._balanced = tuple(each for each in named if not config.is_given_out(each))
        # A Service of one family has no node ports in the other.
        self._has_node_ports = spec.get("type") in ("NodePort", "LoadBalancer") and bool(self._cluster)
        self._has_loopback = self._has_node_ports and family.family.version == 4 and config.answers_at_loopback
        self.allowed = len(self._balanced) * len(self._ranges or ())
        self.addresses = len(self._cluster) + len(self._external) + len(self._balanced) + self._has_node_ports + self._has_loopback
        self.fragment = Fragment(affinity=affinity_of(service) if self.addresses else None)
        self.local_ready: frozenset[str] = frozenset()
        self.local_only: set[str] = set()

    def write(self, port: Object, choice: Choice) -> None:
        if not self.addresses:
            return
        part = _Port(self, port, choice)
        into = self.fragment
        inner = part.frontend(is_local=self._spec.get("internalTrafficPolicy") == "Local")
        if any(self._spec.get(kind) == "Local" for kind in ("internalTrafficPolicy", "externalTrafficPolicy")):
            self.local_ready |= choice.local_ready
        for address in self._cluster:
            into.frontends[part.where(address)] = inner
        if self._external or self._balanced:
            outer = part.external()
            for address in self._external:
                into.frontends[part.where(address)] = outer
            for address in self._balanced:
                into.frontends[part.where(address)] = part.restricted(outer, self._ranges)
        if self._has_node_ports and port.get("nodePort"):
            where = Where("", part.protocol, _number(port["nodePort"]))
            into.frontends[where] = part.external(is_node_port=True)
            if self._has_loopback and (at_loopback := part.at_loopback()) is not None:
                into.frontends[replace(where, address=str(LOOPBACK))] = at_loopback

    @property
    def is_external_local(self) -> bool:
        return bool(self._spec.get("externalTrafficPolicy") == "Local")


class _Port:
    """One port of a service in one IP family."""

    def __init__(self, of: _Writer, port: Object, choice: Choice) -> None:
        self._of = of
        self._into = of.fragment
        self._choice = choice
        self._number = _number(port["port"])
        self.protocol = _protocol(port)
        self._name = f"{self.protocol}/{self._number}"

    def where(self, address: str) -> Where:
        return Where(address, self.protocol, self._number)

    def frontend(self, *, is_local: bool, is_node_port: bool = False) -> Frontend:
        """For traffic of one policy, whoever it is from."""
        endpoints = self._choice.local if is_local else self._choice.cluster
        if is_local and not endpoints and self._choice.exists:
            self._of.local_only.add("internal")
            return Frontend("drop")
        pools = self._pool(endpoints, 0, "local" if is_local else "")
        return Frontend(self._pick(pools, is_node_port=is_node_port), pools)

    def external(self, *, is_node_port: bool = False) -> Frontend:
        """For traffic from outside the cluster; pods and this node reach all endpoints there in any case."""
        if not self._of.is_external_local or not self._choice.exists:
            return self.frontend(is_local=False, is_node_port=is_node_port)
        choice = self._choice
        pools = self._pool(choice.cluster, 0, "")
        inside = self._pick(pools, is_node_port=is_node_port)
        if choice.local:
            local = self._pool(choice.local, LOCAL_BASE, "local")
            outside = self._pick(local, is_local=True, is_node_port=is_node_port)
            pools += local
        else:
            # With endpoints elsewhere, silence: a load balancer in front is to try another node.
            self._of.local_only.add("external")
            outside = "drop"
        return Frontend(chains.by_origin(self._into.chains, self._of.config, inside, outside), pools)

    def at_loopback(self) -> Frontend | None:
        """For a node port that is asked at 127.0.0.1; None when all endpoints are on this node, so that it is led as anywhere else.

        No link to another node takes packets of the loopback network, so those who ask there are led to endpoints of this one alone.
        """
        choice = self._choice
        here = tuple(each for each in choice.cluster if self._of.is_here(each.node, each.address))
        if len(here) == len(choice.cluster):
            return None
        pools = self._pool(here or choice.local, 0, "loopback")
        return Frontend(self._pick(pools), pools)

    def restricted(self, frontend: Frontend, networks: Sequence[str] | None) -> Frontend:
        """networks: None for from anywhere."""
        if networks is None:
            return frontend
        if not networks:
            return Frontend("drop")
        verdict = chains.only_from(self._into.chains, self._of.config, frontend.verdict)
        return replace(frontend, verdict=verdict, networks=tuple(networks))

    def _pick(self, pools: tuple[tuple[str, int], ...], *, is_local: bool = False, is_node_port: bool = False) -> str:
        """pools: the one to pick from, or none."""
        into, affinity, name = self._into, self._into.affinity, next((name for name, _ in pools), "")
        count = len(into.pools.get(name, ()))
        if affinity is None or not count:
            return chains.pick(into.chains, self._of.config, count, is_local=is_local, is_node_port=is_node_port)
        return stay(into.chains, self._of.config, affinity, Pick(count, seats_of(into.seats[name]), is_local, is_node_port))

    def _pool(self, endpoints: Sequence[Endpoint], base: int, kind: str) -> tuple[tuple[str, int], ...]:
        if not endpoints:
            return ()
        name = f"{self._name}/{kind}" if kind else self._name
        if name not in self._into.pools:
            self._into.pools[name] = targets = tuple((each.address, each.port) for each in endpoints)
            if self._into.affinity is not None:
                self._into.seats[name] = seated(self._of.before.seats.get(name, {}), targets)
            self._into.addresses.update(each.address for each in endpoints)
            self._into.leaving.update(each.address for each in endpoints if each.is_leaving)
        return ((name, base),)


def _number(port: int) -> int:
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port: ports are from 1 to 65535")
    return port


def _source_ranges(service: Object, version: int) -> tuple[str, ...] | None:
    """None when there is no restriction; empty when the ranges are all of the other family, so that nobody may."""
    texts = source_ranges(service)
    if not texts:
        return None
    found = [ipaddress.ip_interface(text.strip()).network for text in texts]
    if version == 4:
        return tuple(map(str, ipaddress.collapse_addresses(each for each in found if isinstance(each, ipaddress.IPv4Network))))
    return tuple(map(str, ipaddress.collapse_addresses(each for each in found if isinstance(each, ipaddress.IPv6Network))))


def _balancer_addresses(service: Object) -> Iterator[str]:
    """Those that nodes take packets for; with `ipMode: Proxy` a load balancer in front takes them, also from pods."""
    for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP":
            yield ingress["ip"]


def _external(service: Object) -> Iterable[str]:
    """Addresses that the Service says it has, beside those that it was given."""
    named = [*(service["spec"].get("externalIPs") or ())]
    if service["spec"].get("type") == "LoadBalancer":
        named += _balancer_addresses(service)
    return (str(ipaddress.ip_address(address)) for address in named)
