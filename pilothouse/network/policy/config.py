"""Settings of a node's policies."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Family:
    """An IP family as nftables names it. suffix: of sets and maps that hold its addresses."""

    version: int
    field: str
    type: str
    suffix: str

    def has(self, text: str) -> bool:
        """Of an address, a network, or an element of a set that begins with one."""
        return (":" in text) == (self.version == 6)


IPV4, IPV6 = Family(4, "ip", "ipv4_addr", ""), Family(6, "ip6", "ipv6_addr", "-6")


@dataclass(frozen=True, kw_only=True)
class NetworkPolicyConfig:
    """instance: short and unique on the machine. node: this node's name. One element a family in each tuple.

    dns_addresses: where this node's DNS server answers its pods. local_cidrs: addresses of this node's pods, which no pod elsewhere has;
    cluster_cidrs: those of all pods.
    """

    instance: str
    node: str
    dns_addresses: tuple[str, ...]
    local_cidrs: tuple[str, ...]
    cluster_cidrs: tuple[str, ...]
    dns_port: int = 53

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-policy"

    @cached_property
    def families(self) -> tuple[Family, ...]:
        """Those that pods have addresses of."""
        return tuple(family for family in (IPV4, IPV6) if any(map(family.has, self.cluster_cidrs)))

    def may_have(self, node: str, address: str) -> bool:
        """Whether a pod on that node can have the address: what another node says of its pods is not believed of this node's network.

        A pod of this node may have one of a range that the node has had before.
        """
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if getattr(found, "scope_id", None):
            return False
        local = _within(found, self._local)
        return local or _within(found, self._cluster) if node == self.node else _within(found, self._cluster) and not local

    @cached_property
    def _local(self) -> tuple[Network, ...]:
        return tuple(map(ipaddress.ip_network, self.local_cidrs))

    @cached_property
    def _cluster(self) -> tuple[Network, ...]:
        return tuple(map(ipaddress.ip_network, self.cluster_cidrs))


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)
