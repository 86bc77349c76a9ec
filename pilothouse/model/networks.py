"""IP networks and addresses of one or two families, as settings state them: `10.244.0.0/16,fd00:10:244::/56`. Pure.

Of two networks each has a family of its own, and the first is the primary one: what has one address only has it from there.
Source: Kubernetes' `--service-cluster-ip-range` and `--cluster-cidr`.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

BOTH_FAMILIES = ("IPv4", "IPv6")


def family(value: Network | Address) -> str:
    """As the API names it: IPv4 or IPv6."""
    return f"IPv{value.version}"


def split(text: str) -> tuple[str, ...]:
    """The parts of a list with commas; none of an empty text."""
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


def parse(cidrs: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no network, or has bits set beyond its prefix length."""
    return tuple(ip_network(cidr) for cidr in cidrs)


def of(text: str) -> tuple[Network, ...]:
    """The networks of a list with commas, primary first. Raises ValueError."""
    return parse(split(text))


def shown(values: Iterable[object]) -> str:
    """The reverse of `split`."""
    return ",".join(map(str, values))


def with_port(host: str, port: int | str) -> str:
    """As URLs have it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def families(networks: Iterable[Network]) -> tuple[str, ...]:
    return tuple(family(network) for network in networks)


def in_order(addresses: Iterable[str], order: Sequence[str]) -> tuple[str, ...]:
    """Addresses by the place of their families in `order`; those of others come last, as they were."""
    places = {name: place for place, name in enumerate(order)}
    return tuple(sorted(addresses, key=lambda address: places.get(family(ip_address(address)), len(places))))


def families_of(addresses: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(family(ip_address(address)) for address in addresses))


def of_family(networks: Sequence[Network], version: int) -> Network | None:
    """The first of that IP version."""
    return next((network for network in networks if network.version == version), None)


def overlap(one: Network, other: Network) -> bool:
    """False for networks of different families."""
    return (isinstance(one, IPv4Network) and isinstance(other, IPv4Network) and one.overlaps(other)) or (
        isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.overlaps(other)
    )


def contains(whole: Network, part: Network) -> bool:
    """Whether `part` lies in `whole`; False for another family."""
    return whole.version == part.version and part.prefixlen >= whole.prefixlen and overlap(whole, part)
