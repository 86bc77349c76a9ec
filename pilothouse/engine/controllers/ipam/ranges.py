"""The cluster's pod networks, each cut into ranges of one size, one a node. Pure.

Source: kubernetes pkg/controller/nodeipam/ipam/cidrset.
"""

from collections.abc import Iterable, Iterator, Sequence
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
        addresses may still be remembered somewhere. It looks at no more ranges than there are in `taken`, and one.
        """
        own = [network for name, network in self.reserved if name == node]
        kept = [*taken, *(network for name, network in self.reserved if name != node)]
        candidates = self._candidates(own, after)
        return next((each for each in candidates if not any(networks.overlap(each, other) for other in kept)), None)

    def _candidates(self, own: Iterable[Network], after: Network | None) -> Iterator[Network]:
        yield from own
        first = 0 if after is None else self._place(after) + 1
        for step in range(self.count):
            yield self._at((first + step) % self.count)

    def _place(self, network: Network) -> int:
        return (int(network.network_address) - int(self.cluster.network_address)) >> (self.cluster.max_prefixlen - self.prefix)

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
