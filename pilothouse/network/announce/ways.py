"""On which links of this node an address is held, and by which it reaches the one that another node holds. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pilothouse.linux.interfaces import Link
from pilothouse.network.announce import surroundings
from pilothouse.network.announce.config import AnnouncerConfig
from pilothouse.network.announce.nodes import Place
from pilothouse.network.announce.plan import Announced

Way = tuple[str, bytes]
"""The name of a link of this node, and the MAC address of the other node there."""


@dataclass(frozen=True, slots=True)
class Ways:
    """links: those of Ethernet that are up, by name. own: names of those by which others know this node."""

    links: Sequence[Link]
    own: frozenset[str]

    @classmethod
    def of(cls, config: AnnouncerConfig, links: Collection[Link]) -> "Ways":
        usable = sorted((link for link in links if link.is_up and not link.is_loopback and len(link.mac) == 6), key=lambda each: each.name)
        own = list(surroundings.own_addresses(config, usable))
        return cls(usable, frozenset(link.name for link in usable if any(link.has(each) for each in own)))

    def to(self, found: Announced) -> frozenset[str]:
        """Names of the links on which this node is to hold the address."""
        if found.interfaces is not None:
            return frozenset(link.name for link in self.links if link.name in found.interfaces)
        near = frozenset(link.name for link in self.links if link.reaches(found.address))
        # No link has its network: somebody routes it to this node, by the address that others know it by.
        return near or self.own

    def to_node(self, found: Announced, places: Iterable[Place]) -> Way | None:
        """To the node at these places, which holds the address; None when no link of both is on one network."""
        mine = self.to(found)
        for place in places:
            for link in self.links:
                if link.name in mine and not link.networks.isdisjoint(place.networks):
                    return link.name, place.mac
        return None
