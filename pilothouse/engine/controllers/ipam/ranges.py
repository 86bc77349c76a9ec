"""The cluster's pod network, cut into ranges of one size, one a node. Pure.

Source: kubernetes pkg/controller/nodeipam/ipam/cidrset.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network


@dataclass(frozen=True, slots=True)
class PodRanges:
    """cluster: the network of all pods. prefix: the length of a node's part. reserved: node -> the range that only it may have."""

    cluster: IPv4Network
    prefix: int
    reserved: tuple[tuple[str, IPv4Network], ...] = ()

    @property
    def count(self) -> int:
        return 1 << (self.prefix - self.cluster.prefixlen)

    def choose(self, node: str, taken: Iterable[IPv4Network], after: IPv4Network | None = None) -> IPv4Network | None:
        """A range for the node that overlaps none of `taken`; None when there is none left.

        The search begins behind `after`, the range given last, so that one that was given back rests as long as possible: its
        addresses may still be remembered somewhere.
        """
        own = [network for name, network in self.reserved if name == node]
        kept = [*taken, *(network for name, network in self.reserved if name != node)]
        candidates = [*own, *(self._at(place) for place in self._places(after))]
        return next((each for each in candidates if not any(each.overlaps(other) for other in kept)), None)

    def _places(self, after: IPv4Network | None) -> Iterable[int]:
        first = 0 if after is None else self._place(after) + 1
        return ((first + step) % self.count for step in range(self.count))

    def _place(self, network: IPv4Network) -> int:
        return (int(network.network_address) - int(self.cluster.network_address)) >> (32 - self.prefix)

    def _at(self, place: int) -> IPv4Network:
        return IPv4Network((int(self.cluster.network_address) + (place << (32 - self.prefix)), self.prefix))
