"""Settings of a node's routes to other nodes."""

from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True, kw_only=True)
class NodeRoutesConfig:
    """node: this node's name. cluster_cidr: the addresses of all pods; routes inside it that carry our mark are this instance's."""

    node: str
    cluster_cidr: str

    @property
    def cluster(self) -> IPv4Network:
        return IPv4Network(self.cluster_cidr)
