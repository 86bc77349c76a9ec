"""Settings of a node's service proxy."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, kw_only=True)
class ServiceProxyConfig:
    """instance: short and unique on the machine. node: this node's name, as endpoints carry it.

    local_cidr: addresses whose answers come back through this node (its pods); what others send elsewhere is masqueraded.
    cluster_cidr: all pods' addresses ("": local_cidr). service_cidr: addresses in it that are no service's are refused at once
    ("": they are left alone). node_port_addresses: where node ports answer.
    """

    instance: str
    node: str
    local_cidr: str
    cluster_cidr: str = ""
    service_cidr: str = ""
    node_port_addresses: tuple[str, ...] = ("127.0.0.1",)

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-svc"

    def is_given_out(self, address: str) -> bool:
        """Whether it is the cluster itself that gives the address to Services or pods."""
        return any(ipaddress.ip_address(address) in network for network in self._own_networks)

    @cached_property
    def _own_networks(self) -> tuple[ipaddress.IPv4Network, ...]:
        return tuple(ipaddress.IPv4Network(cidr) for cidr in (self.service_cidr, self.cluster_cidr or self.local_cidr) if cidr)

    @cached_property
    def local_network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.local_cidr)
