"""Which nodes there are to reach, as far as their Nodes may be believed. Pure.

A range counts only inside the pod network, and of those that overlap only the older Node's, after this node's own: whatever a Node says,
no other traffic of the machine is led away. A node in a network within its machine is reached by that machine's first node from all
others, and reaches those by it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.node_objects import REACHED_BY, is_simulated
from pilothouse.network.backends.config import Address, BackendConfig, Network, plain_address
from pilothouse.network.backends.seam import Peer

LEAST_RANGE = 4
"""Addresses of a range of pods."""


@dataclass(frozen=True, slots=True)
class Peers:
    """own: this node. others: by name. problems: by name, why a node is not among them, or not with all its ranges."""

    own: Peer | None
    others: Mapping[str, Peer]
    problems: Mapping[str, str]


def peers(nodes: Iterable[Object], config: BackendConfig) -> Peers:
    ordered = sorted((node for node in nodes if not is_simulated(node)), key=lambda each: _rank(each, config))
    own = next((node for node in ordered if meta.name(node) == config.node), None)
    by_address = {str(address): meta.name(node) for node in reversed(ordered) for address in _addresses(node)}
    others: dict[str, Peer] = {}
    problems: dict[str, str] = {}
    taken = _Taken()
    here = None
    for node in ordered:
        name = meta.name(node)
        cidrs, why = _cidrs(node, config, taken)
        if why:
            problems[name] = why
        if name == config.node:
            here = Peer(name, tuple(cidrs), _addresses(node), name, node)
        elif cidrs:
            addresses, through = _way(node, own, config, by_address)
            if unusable := _unusable(addresses, config):
                problems[name] = unusable
            else:
                others[name] = Peer(name, tuple(cidrs), addresses, through, node)
    return Peers(here, others, problems)


def _rank(node: Object, config: BackendConfig) -> tuple[bool, str, str]:
    """This node first: nobody may take its own pods away."""
    return meta.name(node) != config.node, str(node["metadata"].get("creationTimestamp")), meta.name(node)


class _Taken:
    """Ranges of which no two overlap, in order, so that a further one is compared with its neighbours alone."""

    def __init__(self) -> None:
        self._ranges: dict[int, list[tuple[int, int, Network]]] = {4: [], 6: []}

    def add(self, network: Network) -> Network | None:
        """The one that it overlaps, when it does: then it is not added."""
        ranges, first, last = self._ranges[network.version], int(network.network_address), int(network.broadcast_address)
        place = bisect_left(ranges, first, key=lambda each: each[0])
        for start, end, other in ranges[max(place - 1, 0) : place + 1]:
            if start <= last and first <= end:
                return other
        ranges.insert(place, (first, last, network))
        return None


def _cidrs(node: Object, config: BackendConfig, taken: _Taken) -> tuple[list[Network], str]:
    """Those that count, which are taken from now on, and why one does not."""
    spec = node.get("spec") or {}
    found: list[Network] = []
    complaint = ""
    for text in spec.get("podCIDRs") or [each for each in (spec.get("podCIDR"),) if each]:
        network, why = _inside(str(text), config, taken)
        if network is not None:
            found.append(network)
        complaint = complaint or why
    return found, complaint


def _inside(text: str, config: BackendConfig, taken: _Taken) -> tuple[Network | None, str]:
    try:
        network = _parsed(text)
    except ValueError:
        return None, f"spec.podCIDR {text} is no network"
    if network.num_addresses < LEAST_RANGE:
        return None, f"spec.podCIDR {text} has no room for pods: a node's gateway alone takes two of at least {LEAST_RANGE} addresses"
    if not config.holds(network):
        return None, f"spec.podCIDR {text} is not inside the pod network {', '.join(config.cluster_cidrs)}"
    if other := taken.add(network):
        return None, f"spec.podCIDR {text} overlaps {other} of an older node"
    return network, ""


_parsed = lru_cache(maxsize=8192)(ip_network)
"""Kept, since the same Nodes are read again and again."""


def _way(node: Object, own: Object | None, config: BackendConfig, by_address: Mapping[str, str]) -> tuple[tuple[Address, ...], str]:
    """By which addresses its packets leave this node, and which node's host these are."""
    name, theirs, ours = meta.name(node), _machine(node), _machine(own)
    if config.host_addresses and theirs != ours:
        return tuple(ip_address(each) for each in config.host_addresses), by_address.get(ours, name)
    if theirs and theirs != ours and theirs not in _texts(own):
        return (ip_address(theirs),), by_address.get(theirs, name)
    return _addresses(node), name


def _machine(node: Object | None) -> str:
    """The address of the machine that a node is within; "" of one that is its machine."""
    if node is None:
        return ""
    text = (node["metadata"].get("annotations") or {}).get(REACHED_BY) or ""
    try:
        return str(plain_address(text))
    except ValueError:
        return ""


def _texts(node: Object | None) -> set[str]:
    return set() if node is None else {str(each) for each in _addresses(node)}


def _addresses(node: Object) -> tuple[Address, ...]:
    """The first of each family."""
    found: dict[int, Address] = {}
    for each in (node.get("status") or {}).get("addresses") or ():
        if each.get("type") == "InternalIP":
            try:
                address = plain_address(each.get("address") or "")
            except ValueError:
                continue
            found.setdefault(address.version, address)
    return tuple(found.values())


def _unusable(addresses: tuple[Address, ...], config: BackendConfig) -> str:
    if not addresses:
        return "its status has no address of type InternalIP"
    for address in addresses:
        if config.holds(ip_network(address)):
            return f"its address {address} is one of the pod network: give the node another with --api-listen or --node-ip"
    return ""
