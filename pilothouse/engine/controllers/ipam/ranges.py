"""The cluster's pod networks, each cut into ranges of one size, one a node. Pure.

Source: kubernetes pkg/controller/nodeipam/ipam/cidrset.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pilothouse.model import networks
from pilothouse.model.json import Object
from pilothouse.model.networks import Network


@dataclass(frozen=True, slots=True)
class PodRanges:
    """cluster: the network of all pods, of one family. prefix: the length of a node's part. reserved: node -> the range that only it may
    have."""

    cluster: Network
    prefix: int
    reserved: tuple[tuple[str, Network], ...] = ()

    @property
    def count(self) -> int:
        return 1 << (self.prefix - self.cluster.prefixlen)

    def choose(self, node: str, taken: Iterable[Network], after: Network | None = None) -> Network | None:
        """A range for the node that overlaps none of `taken`; None when there is none left.

        The search begins behind `after`, the range given last, so that one that was given back rests as long as possible: its
        addresses may still be remembered somewhere. It costs what there is in `taken`, however large the network.
        """
        kept = [*taken, *(network for name, network in self.reserved if name != node)]
        own = (network for name, network in self.reserved if name == node)
        for each in own:
            if not any(networks.overlap(each, other) for other in kept):
                return each
        busy = sorted(places for network in kept if (places := self._places(network)) is not None)
        first = 0 if after is None else self._place(int(after.network_address)) + 1
        found = self._free(busy, first)
        if found is None:
            found = self._free(busy, 0)
        return None if found is None else self._at(found)

    def _free(self, busy: Sequence[tuple[int, int]], place: int) -> int | None:
        """The next place from that one on. busy: in order, the first and last place of each network."""
        for first, last in busy:
            if first > place:
                break
            place = max(place, last + 1)
        return place if place < self.count else None

    def _places(self, network: Network) -> tuple[int, int] | None:
        """The first and last that a network has a part of; None for one outside of the cluster's."""
        if not networks.overlap(self.cluster, network):
            return None
        first, last = self._place(int(network.network_address)), self._place(int(network.broadcast_address))
        return max(first, 0), min(last, self.count - 1)

    def _place(self, address: int) -> int:
        return (address - int(self.cluster.network_address)) >> (self.cluster.max_prefixlen - self.prefix)

    def _at(self, place: int) -> Network:
        address = int(self.cluster.network_address) + (place << (self.cluster.max_prefixlen - self.prefix))
        return type(self.cluster)((address, self.prefix))


def pod_ranges(clusters: Sequence[Network], own: Sequence[Network], node: str) -> tuple[PodRanges, ...]:
    """One for each family. own: the ranges of `node`, which only it may have; every node's are as long."""
    return tuple(PodRanges(cluster, part.prefixlen, ((node, part),)) for cluster, part in zip(clusters, own, strict=True))


def ranges_of(node: Object) -> tuple[Network, ...]:
    """A node's ranges, primary first; without those that are no networks."""
    spec = node.get("spec") or {}
    return tuple(found for text in spec.get("podCIDRs") or [spec.get("podCIDR") or ""] if (found := _parsed(text)) is not None)


@lru_cache(maxsize=20_000)
def _parsed(text: str) -> Network | None:
    """Kept, since each node's ranges are held against those of all others."""
    try:
        return networks.parse([text])[0]
    except ValueError:
        return None
