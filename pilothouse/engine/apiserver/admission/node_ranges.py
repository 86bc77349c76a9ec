"""Which addresses of pods a node may say that it has. Pure.

A range is given to it (node IPAM); it brings one when it registers with the first node's settings, or again, after somebody has deleted
its Node. What it brings keeps others from having it, and leads their traffic to it, so that a node may not say what it likes. Upstream
leaves this to the one who starts the kubelet.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pilothouse.model import meta, networks
from pilothouse.model.json import Object
from pilothouse.model.networks import Network


@dataclass(frozen=True, slots=True)
class NodeRanges:
    """cluster: the addresses of all pods, one network of each family; none when they are not known. prefixes: of a node's part of each, as
    long as every node's; 0: it may have all."""

    cluster: tuple[Network, ...] = ()
    prefixes: tuple[int, ...] = ()

    @classmethod
    def of(cls, pod_cidrs: Sequence[str], prefixes: Sequence[int]) -> "NodeRanges":
        return cls(networks.parse(pod_cidrs), tuple(prefixes) or (0,) * len(pod_cidrs))

    def why_not(self, node: str, wanted: Sequence[str], nodes: Collection[Object]) -> str:
        """Why the node may not have these ranges, "" when it may. nodes: all of them."""
        try:
            found = networks.parse(wanted)
        except ValueError as error:
            return str(error)
        if len({network.version for network in found}) < len(found):
            return "a node has one range of pods' addresses of each family"
        return next((why for network in found if (why := self._why_not(node, network, nodes))), "")

    def _why_not(self, node: str, network: Network, nodes: Collection[Object]) -> str:
        if self.cluster:
            within = [place for place, whole in enumerate(self.cluster) if networks.contains(whole, network)]
            if not within:
                return f"{network} is not inside the pod network {networks.shown(self.cluster)}"
            if network.prefixlen < (prefix := self.prefixes[within[0]]):
                return f"{network} is more than a node's part of the pod network, which is a /{prefix}"
        for other in nodes:
            if meta.name(other) != node and any(networks.overlap(network, each) for each in _ranges(other)):
                return f"{network} overlaps the range of node {meta.name(other)}"
        return ""


def ranges_of(node: Object) -> list[str]:
    return (node.get("spec") or {}).get("podCIDRs") or []


def _ranges(node: Object) -> Iterator[Network]:
    for text in ranges_of(node):
        try:
            yield from networks.parse([text])
        except ValueError:
            continue
