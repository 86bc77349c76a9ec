"""What the node has to offer, as its annotations say it: addresses towards others, ports in use, links. Blocks."""

import ipaddress
import json
import socket
from collections.abc import Iterator, Sequence

from pilothouse.linux.interfaces import Address, Link
from pilothouse.model.load_balancers import LINKS, NODE_ADDRESSES, PORTS_IN_USE
from pilothouse.network.announce import listening
from pilothouse.network.announce.config import AnnouncerConfig
from pilothouse.network.announce.nodes import MOST_LINKS, MOST_NETWORKS

_FAR = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Of documentation networks (RFC 5737, RFC 3849): connecting a datagram socket there sends nothing and tells by which address it would."""


def annotations(config: AnnouncerConfig, links: Sequence[Link]) -> dict[str, str]:
    addresses = list(own_addresses(config, links))
    return {
        NODE_ADDRESSES: ",".join(str(each) for each in addresses),
        PORTS_IN_USE: " ".join(listening.ports(addresses)),
        LINKS: json.dumps([_shown(link) for link in usable(config, links)][:MOST_LINKS], separators=(",", ":")),
    }


def own_addresses(config: AnnouncerConfig, links: Sequence[Link]) -> Iterator[Address]:
    """At most one of each family: as was set, else that of the default route, else the first that is no pod's or Service's."""
    stated = {each.version: each for each in map(ipaddress.ip_address, config.addresses)}
    for version in (4, 6):
        found = stated.get(version) or _by_route(version, config, links) or _first(version, config, links)
        if found is not None:
            yield found


def usable(config: AnnouncerConfig, links: Sequence[Link]) -> list[Link]:
    """Ethernet links with an address of their own that is not one of pods."""
    return [link for link in links if link.is_up and not link.is_loopback and len(link.mac) == 6 and any(_own(config, link))]


def _own(config: AnnouncerConfig, link: Link) -> Iterator[Address]:
    return (each.interface.ip for each in link.addresses if not each.is_ours and not config.is_own(each.interface.ip))


def _by_route(version: int, config: AnnouncerConfig, links: Sequence[Link]) -> Address | None:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((_FAR[version], 9))
            found = ipaddress.ip_address(probe.getsockname()[0])
    except OSError:
        return None
    return found if any(found in _own(config, link) for link in links if not link.is_loopback) else None


def _first(version: int, config: AnnouncerConfig, links: Sequence[Link]) -> Address | None:
    return next((each for link in usable(config, links) for each in _own(config, link) if each.version == version), None)


def _shown(link: Link) -> dict[str, object]:
    return {"name": link.name, "mac": link.mac.hex(":"), "networks": sorted(map(str, link.networks))[:MOST_NETWORKS]}
