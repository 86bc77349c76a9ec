"""Parts that both kinds of policies are written with (pure)."""

import hashlib
import ipaddress
from collections.abc import Iterable

from pilothouse.model.json import Object, dumps
from pilothouse.model.selector import from_label_selector
from pilothouse.network.policy.rules import Block, NodePeers, Peers


def peers(namespaces: Object | None, pods: Object, own: str = "") -> Peers:
    """namespaces: a selector; None for `own` alone. Raises SelectorError."""
    digest = _digest([own if namespaces is None else "", namespaces, pods])
    selected = None if namespaces is None else from_label_selector(namespaces)
    return Peers(f"pods-{digest}", own if namespaces is None else "", selected, from_label_selector(pods))


def nodes(selector: Object) -> NodePeers:
    """Raises SelectorError."""
    return NodePeers(f"nodes-{_digest(selector)}", from_label_selector(selector))


def block(cidr: str, without: Iterable[str] = ()) -> Block:
    """Raises ValueError."""
    network = ipaddress.ip_network(cidr, strict=False)
    cut = [each for each in (ipaddress.ip_network(one, strict=False) for one in without) if each.version == network.version]
    if isinstance(network, ipaddress.IPv4Network):
        shown = [str(each) for each in ipaddress.collapse_addresses(each for each in cut if isinstance(each, ipaddress.IPv4Network))]
    else:
        shown = [str(each) for each in ipaddress.collapse_addresses(each for each in cut if isinstance(each, ipaddress.IPv6Network))]
    return Block(str(network), tuple(shown))


def _digest(of: object) -> str:
    return hashlib.sha256(dumps(of)).hexdigest()[:16]
