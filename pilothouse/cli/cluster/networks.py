"""Which networks an instance takes for its pods and services: those asked for, or the first that nothing on this machine uses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pilothouse.cli.settings.home import Home, Settings, SettingsError
from pilothouse.model import networks
from pilothouse.model.networks import Network, overlap

POD_NETWORKS = {
    "IPv4": (
        *(f"10.{n}.0.0/16" for n in range(244, 255)),
        *(f"10.{n}.0.0/16" for n in range(200, 244)),
        "172.30.0.0/16",
        "172.29.0.0/16",
    ),
    "IPv6": tuple(f"fd00:10:{n}::/56" for n in (*range(244, 255), *range(200, 244))),
}
SERVICE_NETWORKS = {
    "IPv4": (*(f"10.{n}.0.0/16" for n in range(96, 128)), "172.31.0.0/16", "172.28.0.0/16"),
    "IPv6": tuple(f"fd00:10:{n}::/112" for n in range(96, 128)),
}
NODES_NETWORKS = {
    "IPv4": (*(f"172.27.{n}.0/24" for n in range(256)), *(f"192.168.{n}.0/24" for n in range(200, 250))),
    "IPv6": tuple(f"fd00:172:27:{n:x}::/64" for n in range(256)),
}
"""Unique local addresses (RFC 4193) in the manner of the private ones of IPv4: to be read easily, not unique between clusters."""
IPV6_ROUTES, IPV4_ROUTES = Path("/proc/net/ipv6_route"), Path("/proc/net/route")
IPV6_DISABLED = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")


@dataclass(frozen=True, slots=True)
class Use:
    """A network that is in use. holder: by what, for messages."""

    network: Network
    holder: str


def in_use(others: Iterable[tuple[Home, Settings]], routes: Iterable[Use]) -> list[Use]:
    """others: instances on this machine. routes: of `routed`."""
    found = []
    for home, settings in others:
        cidrs = (settings.pod_networks, settings.service_networks, settings.nodes_networks)
        found += [Use(network, f"the instance at {home.path}") for group in cidrs for network in group]
    return [*found, *routes]


def routed() -> list[Use]:
    """What this machine has routes to, but for the default ones, of both IP families."""
    return [*of_ipv4_routes(_lines(IPV4_ROUTES)[1:]), *of_ipv6_routes(_lines(IPV6_ROUTES))]


def of_ipv4_routes(lines: Iterable[str]) -> list[Use]:
    """lines: of /proc/net/route below its heading."""
    found = []
    for line in lines:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[index]), "little") for index in (1, 7))
        if mask:
            found.append(Use(IPv4Network((address & mask, mask.bit_count())), f"interface {fields[0]}"))
    return found


def of_ipv6_routes(lines: Iterable[str]) -> list[Use]:
    """lines: of /proc/net/ipv6_route. Every link has link-local and multicast routes, which say nothing of what is in use."""
    found = []
    for line in lines:
        fields = line.split()
        network = IPv6Network((int(fields[0], 16), int(fields[1], 16)), strict=False)
        if network.prefixlen and not (network.is_link_local or network.is_multicast or network.is_loopback):
            found.append(Use(network, f"interface {fields[-1]}"))
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def require_families(families: Sequence[str]) -> None:
    """Raises SettingsError when the machine has not the IP families that an instance is to have."""
    if "IPv6" not in families:
        return
    lines = _lines(IPV6_DISABLED)
    if not lines:
        why = "its kernel is without IPv6 (started with ipv6.disable=1 perhaps)"
    elif lines[0].strip() != "0":
        why = "IPv6 is turned off there: `sysctl -w net.ipv6.conf.all.disable_ipv6=0` turns it on"
    else:
        return
    raise SettingsError(f"this machine has no IPv6, which pods and services are to have: {why}")


def refuse_used(option: str, asked: Iterable[Network], uses: Sequence[Use]) -> None:
    """Raises SettingsError, naming who uses one of the networks."""
    for network in asked:
        if (use := holder(network, uses)) is not None:
            raise SettingsError(f"{option} {network} overlaps {use.network}, which {use.holder} uses: choose another with {option}")


def choose(option: str, candidates: Iterable[str], uses: Sequence[Use]) -> str:
    """The first network that nothing uses; raises SettingsError when there is none."""
    for cidr in candidates:
        if all(holder(network, uses) is None for network in networks.of(cidr)):
            return cidr
    raise SettingsError(f"every network that an instance would take by itself is in use on this machine: choose one with {option}")


def holder(network: Network, uses: Iterable[Use]) -> Use | None:
    return next((use for use in uses if overlap(use.network, network)), None)
