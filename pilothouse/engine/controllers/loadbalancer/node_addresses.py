"""What Nodes say of their addresses and ports, and how far that is believed. Pure.

A node writes its own Node, and what it says decides what Services get: so a machine that somebody has taken over could send the traffic of
Services to itself, or keep the addresses of pools from them. Believed are at most one address of each family towards others, and two of
each family of its status; none that nobody could be reached by, none inside the networks of pods and Services, and none that an older Node
has. An address of a pool that a Service has stays the Service's (`from_pools`). See decision 091.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pilothouse.model import meta
from pilothouse.model.address_pools import Network
from pilothouse.model.json import Object
from pilothouse.model.load_balancers import EXCLUDED, NODE_ADDRESSES, PORTS_IN_USE, Address, address, is_usable
from pilothouse.model.node_objects import is_simulated

MOST_READ = 8
"""Addresses that are looked at of one Node; what it says beyond is passed over."""
MOST_PORTS = 1024
OFFERED, STATED = 1, 2
"""Addresses of one family that are believed: of those for Services, and of those of the status."""
_BROADCAST = ipaddress.IPv4Address("255.255.255.255")


@dataclass(frozen=True, slots=True)
class Said:
    """What one Node says. age: of two the lower one is older. offered: addresses for Services; stated: those of the status."""

    name: str
    age: tuple[str, str]
    is_usable: bool
    is_excluded: bool
    offered: tuple[Address, ...]
    stated: tuple[Address, ...]
    ports: frozenset[str]

    @classmethod
    def of(cls, node: Object) -> "Said":
        annotations = meta.annotations(node)
        addresses = (node.get("status") or {}).get("addresses") or ()
        stated = (str(each.get("address") or "") for each in addresses[:MOST_READ] if each.get("type") != "Hostname")
        return cls(
            meta.name(node),
            (str(node["metadata"].get("creationTimestamp") or ""), meta.name(node)),
            is_usable(node),
            EXCLUDED in meta.labels(node),
            tuple(_addresses((annotations.get(NODE_ADDRESSES) or "").split(",", MOST_READ)[:MOST_READ])),
            # Of a cluster of one machine the node may be known by its loopback address, which is no claim.
            tuple(each for each in _addresses(stated) if not each.is_loopback),
            frozenset((annotations.get(PORTS_IN_USE) or "").split(maxsplit=MOST_PORTS)[:MOST_PORTS]),
        )


@dataclass(frozen=True, slots=True)
class Believed:
    """usable: Nodes that traffic may be led to, by name. offered: what of their addresses Services may get. owners: names of nodes, by all
    addresses that are theirs. refused: by the node's name, what is not believed and why.
    """

    usable: Sequence[Said] = ()
    offered: Mapping[str, Sequence[Address]] = field(default_factory=dict)
    owners: Mapping[Address, str] = field(default_factory=dict)
    refused: Mapping[str, Mapping[Address, str]] = field(default_factory=dict)
    numbers: Mapping[int, frozenset[int]] = field(default_factory=lambda: {4: frozenset(), 6: frozenset()})


class NodeAddresses:
    """Owned by one controller; a Node is read when it changes."""

    def __init__(self, own_networks: Iterable[Network]) -> None:
        self._networks = tuple(own_networks)
        self._said: dict[str, Said] = {}
        self._believed: Believed | None = Believed()

    def put(self, node: Object, *, with_ports: bool = True) -> bool:
        """Returns whether it says something else than before, of its ports only `with_ports`. A simulated one says nothing."""
        if is_simulated(node):
            return self.remove(meta.name(node))
        said, before = Said.of(node), self._said.get(meta.name(node))
        if said == before:
            return False
        self._said[said.name] = said
        self._believed = None
        return with_ports or before is None or replace(said, ports=before.ports) != before

    def remove(self, name: str) -> bool:
        """Returns whether it had said anything."""
        was_there = self._said.pop(name, None) is not None
        if was_there:
            self._believed = None
        return was_there

    def believed(self) -> Believed:
        if self._believed is None:
            self._believed = _believe(self._said.values(), self._networks)
        return self._believed


def _believe(said: Iterable[Said], networks: Sequence[Network]) -> Believed:
    """About 3 us a Node."""
    nodes = sorted(said, key=lambda each: each.age)
    owners: dict[Address, str] = {}
    offered: dict[str, Sequence[Address]] = {}
    refused: dict[str, dict[Address, str]] = {}
    for node in nodes:
        # The only node of a cluster is often known by an address of the pod network: it is kept from Services anyhow, and no claim.
        stated = [each for each in node.stated if not any(each in network for network in networks)]
        why = _refuse(node.offered, OFFERED, node, owners, networks) | _refuse(stated, STATED, node, owners, networks)
        if why:
            refused[node.name] = why
        offered[node.name] = [each for each in dict.fromkeys(node.offered) if each not in why]
        owners.update((each, node.name) for each in (*node.offered, *stated) if each not in why)
    present = [node for node in nodes if node.is_usable]
    usable = sorted([node for node in present if not node.is_excluded] or present, key=lambda each: each.name)
    numbers = {version: frozenset(int(each) for each in owners if each.version == version) for version in (4, 6)}
    return Believed(usable, offered, owners, refused, numbers)


def _refuse(
    found: Sequence[Address], most: int, node: Said, owners: Mapping[Address, str], networks: Sequence[Network]
) -> dict[Address, str]:
    """Those of the addresses that are not believed, and why."""
    refused: dict[Address, str] = {}
    counts: Counter[int] = Counter()
    for each in dict.fromkeys(found):
        why = _why_not(each, node.name, owners, networks)
        if not why and counts[each.version] >= most:
            why = f"it has said {'another' if most == 1 else f'{most} others'} of IPv{each.version} before"
        if why:
            refused[each] = why
        else:
            counts[each.version] += 1
    return refused


def _why_not(found: Address, name: str, owners: Mapping[Address, str], networks: Sequence[Network]) -> str:
    if found.is_unspecified or found.is_loopback or found.is_link_local or found.is_multicast or found == _BROADCAST:
        return "nobody is reached by such an address"
    if network := next((each for each in networks if found in each), None):
        return f"it is inside the cluster's own network {network}"
    if owners.get(found, name) != name:
        return f"node {owners[found]}, which is older, has it"
    return ""


def _addresses(texts: Iterable[str]) -> Iterator[Address]:
    return (found for text in texts if (found := address(text)) is not None)
