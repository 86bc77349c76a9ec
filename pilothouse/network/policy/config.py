"""Settings of a node's policies."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, kw_only=True)
class NetworkPolicyConfig:
    """instance: short and unique on the machine. node: this node's name. dns_address: where this node's DNS server answers its pods.

    local_cidr: addresses of this node's pods, which no pod elsewhere has; cluster_cidr: those of all pods.
    """

    instance: str
    node: str
    dns_address: str
    local_cidr: str
    cluster_cidr: str
    dns_port: int = 53

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-policy"

    def may_have(self, node: str, address: str) -> bool:
        """Whether a pod on that node can have the address: what a node says of its pods is not believed beyond its network."""
        try:
            found = ipaddress.IPv4Address(address)
        except ValueError:
            return False
        if node == self.node:
            return found in self._local
        return found in self._cluster and found not in self._local

    @cached_property
    def _local(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.local_cidr)

    @cached_property
    def _cluster(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.cluster_cidr)
