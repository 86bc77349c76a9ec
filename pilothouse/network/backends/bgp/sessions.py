"""Who speaks BGP with whom. Pure.

Without reflectors each node has a session with every other one, also where some are asked for and no node has their labels: a slip in a
selector is not to part all nodes. With them, nodes speak with the reflectors alone, and these with all. A node in a network within its
machine speaks with the nodes of that machine as well, and by its machine's first node reaches all others: that one hands on what it
hears, with itself as the next hop.
Source: RFC 4271; RFC 4456 (route reflection).
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address

from pilothouse.model import meta
from pilothouse.model.node_objects import REACHED_BY
from pilothouse.network.backends.bgp.settings import BGPSettings
from pilothouse.network.backends.config import Address, Network, plain_address
from pilothouse.network.backends.seam import Peer, View


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSession:
    """With another node, over one family.

    local: of this node, None where the kernel is to choose. accepted: what the other may announce here; its own ranges and those that it is
    the way to. is_client: what it announces is handed on to the others, and theirs to it. is_next_hop: this node is the way to all that it
    tells the other.
    """

    node: str
    address: Address
    local: Address | None
    accepted: tuple[Network, ...]
    is_client: bool = False
    is_next_hop: bool = False

    @property
    def name(self) -> str:
        """As BIRD's protocol: the same for the same node and family, so that no other change touches the session."""
        return session_name("node", self.node, self.address.version)


@dataclass(frozen=True, slots=True)
class Topology:
    """problems: by node, why there is no session with it. addresses: by which nodes are reached, this one's own among them."""

    sessions: tuple[NodeSession, ...]
    problems: dict[str, str]
    addresses: tuple[Address, ...] = ()


def session_name(kind: str, name: str, version: int) -> str:
    """A symbol of BIRD's, whatever the object's name has in it."""
    return f"{kind}{version}_{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def in_force(view: View, settings: BGPSettings) -> BGPSettings:
    """settings as nodes carry them out: while no node has the labels of the reflectors, as if none were asked for."""
    if settings.reflectors is None:
        return settings
    nodes = (*((view.own,) if view.own is not None else ()), *view.peers.values())
    return settings if any(is_reflector(each, settings) for each in nodes) else replace(settings, reflectors=None)


def topology(view: View, settings: BGPSettings) -> Topology:
    own = view.own
    if own is None:
        return Topology((), {})
    settings = in_force(view, settings)
    sessions: list[NodeSession] = []
    problems: dict[str, str] = {}
    reflects = is_reflector(own, settings)
    ranges = _ranges(view.peers.values())
    # A reflector hands on everybody's, as does the machine of a node within it; this node's own are in no peer's.
    others = [network for each in view.peers.values() for network in each.pod_cidrs]
    leads_inside = any(_is_inside(each, own) for each in view.peers.values())
    for peer in view.peers.values():
        if peer.through != peer.name:
            continue
        is_inside = _is_inside(peer, own)
        if not (is_inside or _is_inside(own, peer) or _speak(reflects, is_reflector(peer, settings), settings)):
            continue
        accepted = others if _is_inside(own, peer) or is_reflector(peer, settings) else ranges[peer.name]
        for network in peer.pod_cidrs:
            if peer.address(network.version) is None:
                problems[peer.name] = f"its status has no IPv{network.version} address of type InternalIP, by which {network} is announced"
        sessions += [
            NodeSession(
                node=peer.name,
                address=address,
                local=None if is_inside else own.address(address.version),
                accepted=tuple(each for each in accepted if each.version == address.version),
                is_client=is_inside or (reflects and not is_reflector(peer, settings)),
                is_next_hop=is_inside or leads_inside,
            )
            for address in peer.addresses
        ]
    nodes = (own, *view.peers.values())
    addresses = dict.fromkeys(address for each in nodes for address in (*each.addresses, *_internal(each)))
    return Topology(tuple(sorted(sessions, key=lambda each: each.name)), problems, tuple(addresses))


def _ranges(peers: Iterable[Peer]) -> dict[str, list[Network]]:
    """By node: its own, and of those that it is the way to."""
    found: dict[str, list[Network]] = {}
    for each in sorted(peers, key=lambda each: each.name):
        for name in dict.fromkeys((each.name, each.through)):
            found.setdefault(name, []).extend(each.pod_cidrs)
    return found


def _speak(reflects: bool, other_reflects: bool, settings: BGPSettings) -> bool:
    if settings.reflectors is not None:
        return reflects or other_reflects
    return settings.node_mesh


def reaches_out(own: Peer, peer: Peer, settings: BGPSettings) -> bool:
    """Whether the two have a session for which this node, too, opens a connection to the other one's address. settings: in force."""
    if peer.through != peer.name or _is_inside(peer, own):
        return False
    return _is_inside(own, peer) or _speak(is_reflector(own, settings), is_reflector(peer, settings), settings)


def is_reflector(peer: Peer, settings: BGPSettings) -> bool:
    return settings.reflectors is not None and settings.reflectors.matches(meta.labels(peer.node))


def _is_inside(node: Peer, machine: Peer) -> bool:
    """Whether a node is in a network within the machine of another, which is that machine's first."""
    text = meta.annotations(node.node).get(REACHED_BY) or ""
    if not text or meta.annotations(machine.node).get(REACHED_BY):
        return False
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address in machine.addresses or address in _internal(machine)


def _internal(peer: Peer) -> list[Address]:
    """All of its Node's, also where it is reached by others."""
    found = []
    for each in (peer.node.get("status") or {}).get("addresses") or ():
        if each.get("type") == "InternalIP":
            with suppress(ValueError):
                found.append(plain_address(str(each.get("address"))))
    return found
