"""The two IP families, as nftables and EndpointSlices name them."""

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Family:
    """name: nftables' family and header. address_type: nftables' type. slice_type: `addressType` of EndpointSlices."""

    version: int
    name: str
    address_type: str
    slice_type: str
    number: int

    def canonical(self, address: str) -> str:
        """The one form of an address of this family, as the kernel shows it; "" for what is none."""
        try:
            return socket.inet_ntop(self.number, socket.inet_pton(self.number, address))
        except (OSError, ValueError):
            return ""

    def of(self, addresses: Iterable[str]) -> Iterator[str]:
        """Those of this family, in their canonical form. Raises ValueError for what is no address."""
        for text in addresses:
            found = self.canonical(text)
            if found:
                yield found
            else:
                ipaddress.ip_address(text)

    def networks(self, cidrs: Iterable[str]) -> tuple[str, ...]:
        """As `of`, for networks."""
        parsed = (ipaddress.ip_network(text) for text in cidrs if text)
        return tuple(str(network) for network in parsed if network.version == self.version)


IPV4 = Family(4, "ip", "ipv4_addr", "IPv4", socket.AF_INET)
IPV6 = Family(6, "ip6", "ipv6_addr", "IPv6", socket.AF_INET6)
FAMILIES = (IPV4, IPV6)


def family_of(address: str) -> Family:
    return IPV6 if ":" in address else IPV4
