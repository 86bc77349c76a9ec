"""Settings of a node's pod network."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pilothouse.model.pod_links import group_of
from pilothouse.network.pod.family import Family


@dataclass(frozen=True, kw_only=True)
class PodNetworkConfig:
    """instance: short and unique on the machine; links and tables carry it in their names.

    pod_cidrs: this node's ranges, those of the primary family first; the first one of a family has the gateway's address.
    cluster_cidrs: all pods' addresses, for which nothing is masqueraded (empty: pod_cidrs). device: the link that has the gateways'
    addresses, and no pod. reached: CIDRs that the host sends towards the device although nobody answers there, because the service proxy
    rewrites them (service addresses, on a host without a default route). mtu 0: that of the default route's link. shared_state: where all
    instances of a machine remember what its settings were before the first of them came.
    """

    instance: str
    pod_cidrs: tuple[str, ...]
    device: str
    socket: Path
    conf_dir: Path
    bin_dir: Path
    cluster_cidrs: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    mtu: int = 0
    shared_state: Path = Path("/run/pilothouse")

    @cached_property
    def gateways(self) -> tuple[str, ...]:
        """One of each family: where the node's DNS server listens, and from where the host speaks to pods."""
        first = {network.version: str(network[1]) for network in reversed([ipaddress.ip_network(cidr) for cidr in self.pod_cidrs])}
        return tuple(first[version] for version in dict.fromkeys(ipaddress.ip_network(cidr).version for cidr in self.pod_cidrs))

    @property
    def gateway(self) -> str:
        """That of the primary family."""
        return self.gateways[0]

    def gateway_of(self, family: Family) -> str:
        """ "" when pods have no address of the family."""
        return next(iter(family.of(self.gateways)), "")

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-pod"

    @cached_property
    def group(self) -> int:
        """Of the host's ends of this instance's links: rules name all of them by one number."""
        return group_of(self.instance)
