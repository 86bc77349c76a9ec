"""What a node's WireGuard link needs: a section for each host, and routes. Pure."""

import json
import re
from dataclasses import dataclass, field

from pilothouse.model import meta
from pilothouse.model.cluster_network import WIREGUARD_PORT
from pilothouse.model.json import Object
from pilothouse.network.backends.config import Address
from pilothouse.network.backends.seam import View
from pilothouse.network.backends.table import Route

KEY = "network.pilothouse.dev/wireguard"
"""Annotation of a Node: its public key and the port at which it takes packets, as a JSON object of publicKey and port."""
_PUBLIC = re.compile(r"[A-Za-z0-9+/]{43}=")


@dataclass(slots=True)
class Section:
    """Of one host: where it is, and which ranges are behind it."""

    public: str
    host: Address
    port: int
    ranges: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    sections: dict[str, Section] = field(default_factory=dict)
    routes: dict[str, list[Route]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()


def announced(node: Object) -> tuple[str, int] | None:
    """Public key and port of a node; None where it says nothing, or nothing that can be."""
    try:
        said = json.loads(meta.annotations(node).get(KEY) or "{}")
    except (ValueError, RecursionError):
        return None
    public, port = (said.get("publicKey"), said.get("port")) if isinstance(said, dict) else (None, None)
    if not isinstance(public, str) or not _PUBLIC.fullmatch(public) or not isinstance(port, int) or not 0 < port < 65536:
        return None
    return public, port


def plan(view: View, link: str) -> Wanted:
    wanted = Wanted()
    waiting = set()
    for name, peer in view.led_to.items():
        said = announced(view.peers.get(peer.through, peer).node)
        if said is None:
            waiting.add(name)
        elif not peer.addresses:
            wanted.problems[name] = "its status has no address of type InternalIP"
        else:
            section = wanted.sections.setdefault(said[0], Section(said[0], peer.addresses[0], said[1]))
            section.ranges += map(str, peer.pod_cidrs)
            mtu = view.limits.get(name, 0)
            wanted.routes[name] = [Route(str(network), "", link, mtu) for network in peer.pod_cidrs]
    return Wanted(wanted.sections, wanted.routes, wanted.problems, frozenset(waiting))


def text(private: str, wanted: Wanted) -> str:
    """As `wg syncconf` reads it."""
    lines = ["[Interface]", f"PrivateKey = {private}", f"ListenPort = {WIREGUARD_PORT}"]
    for section in wanted.sections.values():
        host = f"[{section.host}]" if section.host.version == 6 else str(section.host)
        lines += ["", "[Peer]", f"PublicKey = {section.public}", f"Endpoint = {host}:{section.port}"]
        lines.append(f"AllowedIPs = {', '.join(section.ranges)}")
    return "\n".join(lines) + "\n"
