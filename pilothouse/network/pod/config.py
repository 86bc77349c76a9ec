"""Settings of a node's pod network."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PodNetworkConfig:
    """instance: short and unique on the machine; links and tables carry it in their names.

    cluster_cidr: all pods' addresses, for which nothing is masqueraded ("": pod_cidr). reached: CIDRs that the host sends towards
    the bridge although nobody answers there, because the service proxy rewrites them (service addresses, on a host without a
    default route). mtu 0: that of the default route's link. shared_state: where all instances of a machine remember what its
    settings were before the first of them came.
    """

    instance: str
    pod_cidr: str
    bridge: str
    socket: Path
    conf_dir: Path
    bin_dir: Path
    cluster_cidr: str = ""
    reached: tuple[str, ...] = ()
    mtu: int = 0
    shared_state: Path = Path("/run/pilothouse")

    @cached_property
    def network(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.pod_cidr)

    @property
    def gateway(self) -> str:
        """The bridge's address: the pods' way out, and where the node's DNS server listens."""
        return str(self.network.network_address + 1)

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-pod"
