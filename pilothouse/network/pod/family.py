"""The two families of addresses, as the kernel and nftables call them."""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """nft: the family of tables and what a packet's addresses are called there. type: of an address in a set. bits: of an address.

    next_hop: the pods' way out; no interface has it, each pod knows the hardware address behind it. beyond: what is never masqueraded.
    """

    nft: str
    type: str
    number: int
    bits: int
    next_hop: str
    beyond: str

    def of(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those of this family; networks are taken as well."""
        return tuple(each for each in addresses if family_of(each) is self)


IPV4 = Family("ip", "ipv4_addr", socket.AF_INET, 32, "169.254.1.1", "224.0.0.0/4")
IPV6 = Family("ip6", "ipv6_addr", socket.AF_INET6, 128, "fe80::1", "ff00::/8")
FAMILIES = (IPV4, IPV6)


def family_of(address: str) -> Family:
    """Of an address or a network."""
    return IPV6 if ":" in address else IPV4


def packed(address: str) -> bytes:
    return socket.inet_pton(family_of(address).number, address)


def mac_of(address: str) -> str:
    """A hardware address that follows from the address: from all of an IPv4 one, from the end of an IPv6 one."""
    return "0a:58:" + ipaddress.ip_address(address).packed[-4:].hex(":")
