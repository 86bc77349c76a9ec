"""Settings of a node's service proxy."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from pilothouse.network.service.family import FAMILIES, Family, Network

LOOPBACK = ipaddress.IPv4Address("127.0.0.1")


@dataclass(frozen=True, slots=True)
class FamilyConfig:
    """What concerns one IP family. cluster_cidrs: at least one network. service_cidrs: may be empty."""

    family: Family
    table: str
    local_cidrs: tuple[str, ...]
    cluster_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]

    @property
    def local(self) -> str:
        """The pods of this node, as the right side of a match."""
        return as_set(self.local_cidrs)

    @property
    def cluster(self) -> str:
        return as_set(self.cluster_cidrs)


@dataclass(frozen=True, kw_only=True)
class ServiceProxyConfig:
    """instance: short and unique on the machine. node: this node's name, as endpoints carry it.

    Networks have an element for each IP family that is served; the first one's is the primary. local_cidrs: addresses whose answers come
    back through this node (its pods); what others send elsewhere is masqueraded. cluster_cidrs: all pods' addresses (none: local_cidrs).
    service_cidrs: addresses in them that are no service's are refused at once (none: they are left alone).
    node_port_addresses: where node ports answer: addresses, and networks of which the addresses that this machine has are meant.
    """

    instance: str
    node: str
    local_cidrs: tuple[str, ...]
    cluster_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    node_port_addresses: tuple[str, ...] = ("127.0.0.1",)

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-svc"

    @cached_property
    def families(self) -> tuple[FamilyConfig, ...]:
        """Those with pods on this node."""
        return tuple(self._of(family) for family in FAMILIES if family.networks(self.local_cidrs))

    def _of(self, family: Family) -> FamilyConfig:
        local, cluster = family.networks(self.local_cidrs), family.networks(self.cluster_cidrs)
        return FamilyConfig(family, self.table, local, cluster or local, family.networks(self.service_cidrs))

    def is_given_out(self, address: str) -> bool:
        """Whether it is the cluster itself that gives the address to Services or pods."""
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._own_networks)

    @cached_property
    def _own_networks(self) -> tuple[Network, ...]:
        cidrs = (*self.service_cidrs, *(self.cluster_cidrs or self.local_cidrs))
        return tuple(ipaddress.ip_network(cidr) for cidr in cidrs if cidr)

    def node_addresses(self, present: Iterable[str]) -> tuple[str, ...]:
        """Where node ports answer. present: all addresses of this machine."""
        own = [ipaddress.ip_address(address) for address in present]
        found: dict[str, None] = {}
        for wanted in self.node_port_addresses:
            if "/" in wanted:
                network = ipaddress.ip_network(wanted, strict=False)
                # Packets of ::1 cannot leave the loopback interface.
                found |= dict.fromkeys(str(each) for each in own if each in network and not (each.version == 6 and each.is_loopback))
            else:
                found[str(ipaddress.ip_address(wanted))] = None
        return tuple(found)

    @cached_property
    def answers_at_loopback(self) -> bool:
        """Whether node ports do, at 127.0.0.1."""
        return any(LOOPBACK in ipaddress.ip_network(wanted, strict=False) for wanted in self.node_port_addresses)

    def is_here(self, node: str, address: str) -> bool:
        """Whether an endpoint is on this node, by the node that it names, or by its address when it names none."""
        return node == self.node if node else any(ipaddress.ip_address(address) in network for network in self._local_networks)

    @cached_property
    def _local_networks(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(cidr) for cidr in self.local_cidrs if cidr)

    @property
    def names_networks(self) -> bool:
        return any("/" in wanted for wanted in self.node_port_addresses)


def as_set(networks: tuple[str, ...]) -> str:
    """One network as it is, several as an anonymous set."""
    return networks[0] if len(networks) == 1 else f"{{ {', '.join(networks)} }}"
