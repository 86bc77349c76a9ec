"""Addresses that are written as names: reverse names of the cluster's networks, and names of pods. Pure.

Source: RFC 1035 section 3.5, RFC 3596 section 2.5 (a label an octet or a hexadecimal digit, the last first).
"""

import ipaddress
from collections.abc import Iterable

from pilothouse.network.dns.codec import Name

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_V4, _V6 = ("in-addr", "arpa"), ("ip6", "arpa")
_OCTETS, _DIGITS = 4, 32
_HEXADECIMAL = frozenset("0123456789abcdef")


class ReverseZones:
    """networks: CIDRs of either family, for whose addresses questions are answered here and never asked elsewhere."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(network) for network in networks]

    def of(self, name: Name) -> Network | None:
        """The addresses below a reverse name, if all of them are the cluster's. One address: a network of its own."""
        network = _network(name)
        return network if network is not None and any(_within(network, each) for each in self._networks) else None


def _within(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


def _network(name: Name) -> Network | None:
    labels = name[-3::-1]
    try:
        if name[-2:] == _V4 and 0 < len(labels) <= _OCTETS:
            octets = [*labels, *("0",) * (_OCTETS - len(labels))]
            return ipaddress.IPv4Network((".".join(octets), 8 * len(labels)))
        if name[-2:] == _V6 and 0 < len(labels) <= _DIGITS and all(label in _HEXADECIMAL for label in labels):
            number = int("".join(labels).ljust(_DIGITS, "0"), 16)
            return ipaddress.IPv6Network((number, 4 * len(labels)))
    except ValueError:
        pass
    return None


def address_of(name: Name) -> str | None:
    """The one address that a reverse name is for."""
    network = _network(name)
    return str(network.network_address) if network is not None and network.num_addresses == 1 else None


def pod_address(label: str) -> str | None:
    """Of `1-2-3-4` or of an IPv6 address with dashes for colons; None for what is neither."""
    try:
        if label.count("-") == 3 and "--" not in label:
            return str(ipaddress.IPv4Address(label.replace("-", ".")))
        return str(ipaddress.IPv6Address(label.replace("-", ":")))
    except ValueError:
        return None


def dashed(address: str) -> str:
    return address.replace(".", "-").replace(":", "-")
