"""The nftables rules of one service, as data. Pure.

A service's port has a chain that picks an endpoint by one lookup; maps that all services share lead from an address and
port to the chain. When endpoints change, the chain is written anew and the shared maps stay as they are. A port without
endpoints keeps its chain, which then refuses.
Source: Kubernetes, "Virtual IPs and Service Proxies"; KEP-3866 (nftables proxy) for the traffic policies.
"""

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from pilothouse.model.json import Object
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.endpoints import Endpoint, Endpoints, is_proxied, preferred

FRONTENDS, NODE_PORTS = "frontends", "node-ports"
NODE_ADDRESSES = "node-addresses"
REFUSE = "refuse"
MASQUERADE_MARK = "0x4000"
PROTOCOLS = ("tcp", "udp")
DEFAULT_AFFINITY_S = 10800
_LONGEST_NAME = 100
MOST_PORTS, MOST_TARGETS = 2_000, 50_000
"""Of one service: its rules are written by the node's only event loop, and anew with each change of an endpoint. Targets: endpoints of
each port, over all ports."""

Where = tuple[str, str]
"""An element's map and key."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one service needs in the table.

    chains: name -> rules. elements: map and key -> verdict. sets: name -> seconds after which a client is forgotten.
    addresses: of all endpoints that are routed to; leaving: those of them whose pod is terminating, routed to as the last resort
    or since the service takes endpoints in any state. udp: (address or "" for node ports, port) -> endpoints, for flows that the
    kernel must forget. refused: external addresses that are the cluster's to give out, which no Service may take by naming them.
    """

    chains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    elements: dict[Where, str] = field(default_factory=dict)
    sets: dict[str, int] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()
    leaving: frozenset[str] = frozenset()
    udp: dict[tuple[str, int], frozenset[tuple[str, int]]] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


NOTHING = Fragment()


def plan(service: Object | None, slices: Sequence[Object], config: ServiceProxyConfig) -> Fragment:
    """service None: it is gone. slices: all of this service. Raises ValueError for a service that is more than a node can take."""
    if service is None or not is_proxied(service):
        return NOTHING
    ports = [port for port in service["spec"].get("ports") or () if (port.get("protocol") or "TCP").lower() in PROTOCOLS]
    found = Endpoints(slices)
    _bound(ports, found)
    whole = Fragment()
    addresses: set[str] = set()
    leaving: set[str] = set()
    for port in ports:
        part = _Port(service, port, found.of(port), config)
        part.write(whole)
        addresses |= {endpoint.address for endpoint in part.endpoints}
        leaving |= {endpoint.address for endpoint in part.endpoints if endpoint.is_leaving}
    refused = tuple(sorted({address for address in _external(service) if config.is_given_out(address)}))
    return Fragment(whole.chains, whole.elements, whole.sets, frozenset(addresses), frozenset(leaving), whole.udp, refused)


def _bound(ports: Sequence[Object], found: Endpoints) -> None:
    if len(ports) > MOST_PORTS:
        raise ValueError(f"it has {len(ports)} ports, and {MOST_PORTS} are the most: make several Services of it")
    pairs = sum(found.count(port) for port in ports)
    if pairs > MOST_TARGETS:
        raise ValueError(f"its {len(ports)} ports lead to {pairs} places, and {MOST_TARGETS} are the most: make several Services of it")


class _Port:
    """The rules of one port of a service."""

    def __init__(self, service: Object, port: Object, endpoints: Sequence[Endpoint], config: ServiceProxyConfig) -> None:
        metadata, self.spec = service["metadata"], service["spec"]
        self.service = service
        self.port = port
        self.protocol = (port.get("protocol") or "TCP").lower()
        self.config = config
        self.endpoints = endpoints
        self.preferred = preferred(tuple(endpoints), config.node)
        self.local = [endpoint for endpoint in endpoints if endpoint.node == config.node]
        self.title = f"{metadata['namespace']}/{metadata['name']}/{self.protocol}/{port['port']}"
        self.digest = _digest(self.title)
        self.affinity_s = _affinity_s(self.spec)

    def write(self, into: Fragment) -> None:
        into.chains[self._name("s")] = self._pick(self.preferred, REFUSE)
        into.chains.update(self._local_chains())
        if self.affinity_s and self.endpoints:
            for endpoint in self.endpoints:
                into.chains[self._endpoint_name(endpoint)] = self._remember(endpoint)
                into.sets[self._set_name(endpoint)] = self.affinity_s
        for where, verdict in self._entries():
            into.elements[where] = verdict
            if self.protocol == "udp":
                at = (where[1].split(" . ")[0] if where[0] == FRONTENDS else "", int(where[1].rpartition(" ")[2]))
                into.udp[at] = frozenset((endpoint.address, endpoint.port) for endpoint in self.endpoints)

    def _name(self, kind: str) -> str:
        return f"{kind}-{self.digest}-{self.title}"[:_LONGEST_NAME]

    def _endpoint_name(self, endpoint: Endpoint) -> str:
        return f"e-{self.digest}-{endpoint.address}/{endpoint.port}"

    def _set_name(self, endpoint: Endpoint) -> str:
        """The kernel cannot change a set's time-out: another one is another set."""
        return f"a-{self.digest}-{endpoint.address}/{endpoint.port}/{self.affinity_s}"

    def _local_chains(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Traffic policies Local: `l` leads to this node's endpoints alone, `x` so for those who come from outside."""
        external = self._is_external and self.spec.get("externalTrafficPolicy") == "Local"
        ranges = self._source_ranges
        if external or self.spec.get("internalTrafficPolicy") == "Local":
            # With endpoints elsewhere, silence: a load balancer in front is to try another node.
            yield self._name("l"), self._pick(self.local, "drop" if self.endpoints else REFUSE)
        if external:
            inside = f"ip saddr {self.config.cluster_cidr or self.config.local_cidr}", f"ip saddr @{NODE_ADDRESSES}"
            yield self._name("x"), (*(f"{match} goto {self._name('s')}" for match in inside), f"goto {self._name('l')}")
        if ranges:
            yield self._name("f"), (f"ip saddr != {{ {', '.join(ranges)} }} drop", f"goto {self._external_chain}")

    def _pick(self, endpoints: Sequence[Endpoint], otherwise: str) -> tuple[str, ...]:
        if not endpoints:
            return (f"goto {otherwise}" if otherwise == REFUSE else otherwise,)
        # This node's pods keep their address: the answer comes back to them through here, wherever it is from.
        mark = f"ip saddr != {self.config.local_cidr} meta mark set meta mark or {MASQUERADE_MARK}"
        away = (mark,) if any(not _is_in(endpoint.address, self.config.local_network) for endpoint in endpoints) else ()
        if self.affinity_s:
            known = (f"ip saddr @{self._set_name(endpoint)} goto {self._endpoint_name(endpoint)}" for endpoint in endpoints)
            return (*away, *known, f"numgen random mod {len(endpoints)} vmap {{ {self._verdicts(endpoints)} }}")
        if len(endpoints) == 1:
            return (*away, f"meta l4proto {self.protocol} dnat to {endpoints[0].address}:{endpoints[0].port}")
        table = ", ".join(f"{number} : {endpoint}" for number, endpoint in enumerate(endpoints))
        return (*away, f"meta l4proto {self.protocol} dnat to numgen random mod {len(endpoints)} map {{ {table} }}")

    def _verdicts(self, endpoints: Sequence[Endpoint]) -> str:
        return ", ".join(f"{number} : goto {self._endpoint_name(endpoint)}" for number, endpoint in enumerate(endpoints))

    def _remember(self, endpoint: Endpoint) -> tuple[str, ...]:
        return (
            f"update @{self._set_name(endpoint)} {{ ip saddr }}",
            f"meta l4proto {self.protocol} dnat to {endpoint.address}:{endpoint.port}",
        )

    @property
    def _is_external(self) -> bool:
        return self.spec.get("type") in ("NodePort", "LoadBalancer") or bool(self.spec.get("externalIPs"))

    @property
    def _source_ranges(self) -> list[str]:
        ranges = self.spec.get("loadBalancerSourceRanges") or () if self.spec.get("type") == "LoadBalancer" else ()
        return sorted(str(network) for network in (ipaddress.ip_interface(text.strip()).network for text in ranges) if network.version == 4)

    @property
    def _external_chain(self) -> str:
        return self._name("x" if self.spec.get("externalTrafficPolicy") == "Local" else "s")

    def _entries(self) -> Iterator[tuple[Where, str]]:
        """Where the port answers, and the chain that it leads to."""
        number = self.port["port"]
        inner = self._name("l" if self.spec.get("internalTrafficPolicy") == "Local" else "s")
        for address in _ipv4([self.spec["clusterIP"]]):
            yield self._frontend(address, number), f"goto {inner}"
        for address in self._outside(self.spec.get("externalIPs") or ()):
            yield self._frontend(address, number), f"goto {self._external_chain}"
        if self.spec.get("type") == "LoadBalancer":
            chain = self._name("f") if self._source_ranges else self._external_chain
            for address in self._outside(_balancer_addresses(self.service)):
                yield self._frontend(address, number), f"goto {chain}"
        if self.port.get("nodePort") and self.spec.get("type") in ("NodePort", "LoadBalancer"):
            yield (NODE_PORTS, f"{self.protocol} . {self.port['nodePort']}"), f"goto {self._external_chain}"

    def _outside(self, addresses: Iterable[str]) -> Iterator[str]:
        """Without those of other Services and of pods: whoever may write a Service could take their traffic."""
        return (address for address in _ipv4(addresses) if not self.config.is_given_out(address))

    def _frontend(self, address: str, number: int) -> Where:
        return FRONTENDS, f"{address} . {self.protocol} . {number}"


def _affinity_s(spec: Object) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    configured = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
    return int(configured.get("timeoutSeconds") or DEFAULT_AFFINITY_S)


def _balancer_addresses(service: Object) -> Iterator[str]:
    for ingress in ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ():
        if ingress.get("ip") and ingress.get("ipMode", "VIP") == "VIP":
            yield ingress["ip"]


def _external(service: Object) -> Iterator[str]:
    """IPv4 addresses that the Service says it has, beside the one that it was given."""
    yield from _ipv4(service["spec"].get("externalIPs") or ())
    if service["spec"].get("type") == "LoadBalancer":
        yield from _ipv4(_balancer_addresses(service))


def _ipv4(addresses: Iterable[str]) -> Iterator[str]:
    return (address for address in addresses if ipaddress.ip_address(address).version == 4)


@lru_cache(maxsize=20_000)
def _is_in(address: str, network: ipaddress.IPv4Network) -> bool:
    """Kept, since each port of a service asks for the same addresses."""
    return ipaddress.IPv4Address(address) in network


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
