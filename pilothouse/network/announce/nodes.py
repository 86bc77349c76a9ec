"""What Nodes say of themselves that matters for announcements, read when they change. Pure.

A Node is written by its node, so that what is not understood of it, or is more than a machine has, is passed over.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object, loads
from pilothouse.model.load_balancers import EXCLUDED, LINKS, is_usable

Network = IPv4Network | IPv6Network

MOST_LINKS, MOST_NETWORKS, MOST_BYTES = 16, 16, 16 << 10
"""Of one Node: links, networks of a link, and characters of the annotation."""


@dataclass(frozen=True, slots=True)
class Place:
    """A link of a node."""

    name: str
    mac: bytes
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """is_usable: but for the label that excludes it. is_announcing: whether it says links at all."""

    name: str
    labels: Mapping[str, str]
    is_usable: bool
    is_excluded: bool
    is_announcing: bool
    places: tuple[Place, ...]

    @classmethod
    def of(cls, obj: Object) -> "Node":
        labels = meta.labels(obj)
        return cls(meta.name(obj), dict(labels), is_usable(obj), EXCLUDED in labels, LINKS in meta.annotations(obj), places_of(obj))


class Nodes:
    """Owned by the loop."""

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self._said: dict[str, Node] = {}
        self._by_mac: dict[bytes, set[str]] = {}
        self._usable: Sequence[Node] | None = None
        for each in objects:
            self.put(each)

    def put(self, obj: Object) -> bool:
        """Returns whether it says something else than before."""
        node = Node.of(obj)
        if self._said.get(node.name) == node:
            return False
        self.remove(node.name)
        self._usable = None
        self._said[node.name] = node
        for place in node.places:
            self._by_mac.setdefault(place.mac, set()).add(node.name)
        return True

    def remove(self, name: str) -> bool:
        node = self._said.pop(name, None)
        if node is None:
            return False
        self._usable = None
        for mac in {place.mac for place in node.places}:
            self._by_mac[mac].discard(name)
            if not self._by_mac[mac]:
                del self._by_mac[mac]
        return True

    def usable(self) -> Sequence[Node]:
        """Those that may announce, by name; the same object until one of them changes.

        Where all are excluded the label is passed over, as in `load_balancers.usable_nodes`.
        """
        if self._usable is None:
            present = [node for node in self._said.values() if node.is_usable]
            included = [node for node in present if not node.is_excluded] or present
            self._usable = sorted((node for node in included if node.is_announcing), key=lambda node: node.name)
        return self._usable

    def living(self) -> frozenset[str]:
        """Names of those that are ready."""
        return frozenset(node.name for node in self._said.values() if node.is_usable)

    def has(self, name: str, mac: bytes) -> bool:
        """Whether that node says that a link of its has the MAC address."""
        return name in self._by_mac.get(mac, ())

    def other_with(self, mac: bytes, here: str) -> str:
        """A node other than `here` that says so; "" for none."""
        return min((name for name in self._by_mac.get(mac, ()) if name != here), default="")


def places_of(obj: Object) -> tuple[Place, ...]:
    """The node's links as it says; none for a text that is not understood."""
    text = meta.annotations(obj).get(LINKS) or "[]"
    if len(text) > MOST_BYTES:
        return ()
    try:
        return tuple(_place(each) for each in loads(text)[:MOST_LINKS])
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


def _place(said: Any) -> Place:
    mac = bytes.fromhex(said["mac"].replace(":", ""))
    if len(mac) != 6:
        raise ValueError("no MAC address of Ethernet")
    networks = (ip_network(str(text), strict=False) for text in said["networks"][:MOST_NETWORKS])
    return Place(str(said["name"])[:64], mac, tuple(networks))
