"""Settings of how a node reaches the pods of other nodes. Pure."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Probing:
    """begin_s: how soon a new node is tried. tick_s: how often those in trouble are, round_s: how often the others.

    answer_s: how long an answer may take.
    """

    begin_s: float = 2.0
    tick_s: float = 10.0
    round_s: float = 60.0
    answer_s: float = 0.4


@dataclass(frozen=True, kw_only=True)
class BackendConfig:
    """instance: short and unique on the machine; links carry it in their names. node: this node's name.

    cluster_cidrs: the addresses of all pods, one range per family at most; nothing outside of them is ever routed. state: folder for what
    a back end keeps on the machine's disk, made when it is needed. host_addresses: of a further node, the addresses by which it reaches
    its machine; () for a node that is its machine. inspect_s: how often the kernel is compared with what is wanted where nothing changes.
    """

    instance: str
    node: str
    cluster_cidrs: tuple[str, ...]
    state: Path
    host_addresses: tuple[str, ...] = ()
    probing: Probing = Probing()
    inspect_s: float = 15.0

    @cached_property
    def clusters(self) -> tuple[Network, ...]:
        return tuple(ip_network(each) for each in self.cluster_cidrs)

    def holds(self, network: Network) -> bool:
        """Whether all its addresses are pods'."""
        return any(is_inside(network, cluster) for cluster in self.clusters)


def is_inside(network: Network, other: Network) -> bool:
    if isinstance(network, IPv4Network) and isinstance(other, IPv4Network):
        return network.subnet_of(other)
    return isinstance(network, IPv6Network) and isinstance(other, IPv6Network) and network.subnet_of(other)


@lru_cache(maxsize=8192)
def plain_address(text: str) -> Address:
    """An address that an object says. Raises ValueError, also for one with a scope: whatever stands behind the `%` is no address.

    Nor is one that is nobody's: unspecified, loopback or of a group. Kept, since the same Nodes are read again and again.
    """
    address = ip_address(text)
    if "%" in text or address.is_unspecified or address.is_loopback or address.is_multicast:
        raise ValueError(f"{text[:64]!r} is no address by which a node is reached")
    return address
