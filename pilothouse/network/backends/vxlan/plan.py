"""What the tunnels of a node need: routes, neighbours and forwarding entries. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from pilothouse.model.cluster_network import vtep
from pilothouse.model.json import Object
from pilothouse.network.backends.config import Address, Network, plain_address
from pilothouse.network.backends.links import Link, is_on_link
from pilothouse.network.backends.seam import Peer, View
from pilothouse.network.backends.table import Route

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Setting:
    vni: int
    port: int

    @classmethod
    def of(cls, spec: Object) -> "Setting":
        """spec: of a ClusterNetwork, defaults filled in."""
        return cls(spec["vxlan"]["vni"], spec["vxlan"]["port"])


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a tunnel ends: a link's name ("" of another node's), its MAC address, and the host's address."""

    link: str
    mac: str
    address: Address
    setting: Setting


@dataclass(frozen=True, slots=True)
class Wanted:
    """neighbours, forwarding: by link, the MAC address of each next hop, and the host's address of each MAC address."""

    routes: dict[str, list[Route]] = field(default_factory=dict)
    neighbours: dict[str, dict[str, str]] = field(default_factory=dict)
    forwarding: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()


def announced(node: Object) -> Ends | None:
    """Where a node says that its tunnel ends; None where it says nothing, or nothing that can be."""
    said = vtep(node)
    mac, vni, port, text = (said.get(key) for key in ("mac", "vni", "port", "address"))
    if not isinstance(mac, str) or not _MAC.fullmatch(mac) or not _is_ones(mac) or not isinstance(vni, int) or not isinstance(port, int):
        return None
    try:
        return Ends("", mac, plain_address(str(text)), Setting(vni, port))
    except ValueError:
        return None


def _is_ones(mac: str) -> bool:
    """A single station's, and not nobody's (IEEE 802, the lowest bit of the first byte is that of groups)."""
    return not int(mac[:2], 16) & 1 and int(mac.replace(":", ""), 16) != 0


def gateway(network: Network) -> str:
    """Of a node's pods: the first address of their range, which the node itself has."""
    return str(network[1])


def plan(view: View, own: Ends, older: Mapping[Setting, str], links: Sequence[Link]) -> Wanted:
    """older: links of settings before this one. links: of this machine."""
    wanted = Wanted(neighbours={own.link: {}}, forwarding={own.link: {}})
    waiting = set()
    holders: dict[str, str] = {}
    for link in older.values():
        wanted.neighbours[link], wanted.forwarding[link] = {}, {}
    for name, peer in view.led_to.items():
        if view.spec["vxlan"]["directRouting"] and (direct := _direct(peer, links, view.limits.get(name, 0))):
            wanted.routes[name] = direct
            continue
        hop = _hop(peer, view)
        ends = announced(hop.node)
        if ends is None:
            waiting.add(name)
            continue
        # The older Node has it: nobody gets another one's packets by what it says of itself.
        holder = "this node" if ends.mac == own.mac else holders.setdefault(ends.mac, hop.name)
        if holder != hop.name:
            wanted.problems[name] = f"its tunnel has the MAC address {ends.mac}, which is that of {holder}"
            continue
        way = own.link if ends.setting == own.setting else older.get(ends.setting)
        if way != own.link:
            waiting.add(name)
        if way is not None:
            _tunnel(wanted, peer, hop, replace(ends, link=way), own.address.version, view.limits.get(name, 0))
    return Wanted(wanted.routes, wanted.neighbours, wanted.forwarding, wanted.problems, frozenset(waiting))


def _hop(peer: Peer, view: View) -> Peer:
    return view.peers.get(peer.through, peer)


def _direct(peer: Peer, links: Sequence[Link], mtu: int) -> list[Route]:
    """Routes past the tunnel, to a host on a link of this one; none where a range has no such address."""
    routes = []
    for network in peer.pod_cidrs:
        address = peer.address(network.version)
        if address is None or not is_on_link(address, [link for link in links if link.vxlan is None]):
            return []
        routes.append(Route(str(network), str(address), mtu=mtu))
    return routes


def _tunnel(wanted: Wanted, peer: Peer, hop: Peer, ends: Ends, version: int, mtu: int) -> None:
    """ends: of the other node, and this node's link to it."""
    address, link = peer.address(version), ends.link
    if address is None:
        wanted.problems[peer.name] = f"it has no IPv{version} address of type InternalIP, and tunnels of this cluster run between these"
        return
    for network in peer.pod_cidrs:
        via = _next_hop(network, hop, ends.mac)
        if via is None:
            wanted.problems[peer.name] = f"node {hop.name}, by which it is reached, has no pods of IPv{network.version}"
            continue
        wanted.routes.setdefault(peer.name, []).append(Route(str(network), via, link, mtu))
        wanted.neighbours[link][via] = ends.mac
    wanted.forwarding[link][ends.mac] = str(address)


def _next_hop(network: Network, hop: Peer, mac: str) -> str | None:
    """A name of the tunnel's other end, for which nobody is asked: of IPv6 the link-local address that goes with its MAC address (RFC 4291,
    appendix A). IPv6 refuses a gateway that lies in a range which another link leads to, as while the back end changes; IPv4 does not.
    """
    if network.version == 4:
        return next((gateway(each) for each in hop.pod_cidrs if each.version == 4), None)
    first, *others = (int(part, 16) for part in mac.split(":"))
    words = bytes((first ^ 2, *others[:2], 0xFF, 0xFE, *others[2:]))
    return str(IPv6Address(b"\xfe\x80" + bytes(6) + words))
