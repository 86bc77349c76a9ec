"""Settings of a node's announcer."""

import ipaddress
from dataclasses import dataclass
from functools import cached_property

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, kw_only=True)
class AnnouncerConfig:
    """instance: short and unique on the machine. node: this node's name. own_cidrs: of pods and Services, and between the cluster's nodes.

    addresses: by which others reach the node, where somebody has said so; one of a family that is not there is looked for.
    valid_s: for how long an address stays when nobody renews it: less than the 40 s after which a node counts as lost, more than a restart
    takes.
    """

    instance: str
    node: str
    own_cidrs: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    valid_s: int = 30

    @property
    def table(self) -> str:
        return f"pilothouse-{self.instance}-lb"

    @cached_property
    def own_networks(self) -> tuple[Network, ...]:
        return tuple(ipaddress.ip_network(cidr) for cidr in self.own_cidrs if cidr)

    def is_own(self, address: Address) -> bool:
        """Whether it is one of pods or Services, which nobody outside of the cluster reaches."""
        return any(address in network for network in self.own_networks)
