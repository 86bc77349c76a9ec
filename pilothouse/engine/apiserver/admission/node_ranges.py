"""Which addresses of pods a node may say that it has. Pure.

A range is given to it (node IPAM); it brings one when it registers with the first node's settings, or again, after somebody has deleted
its Node. What it brings keeps others from having it, and leads their traffic to it, so that a node may not say what it likes. Upstream
leaves this to the one who starts the kubelet.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object


@dataclass(frozen=True, slots=True)
class NodeRanges:
    """cluster: the addresses of all pods, None when they are not known. prefix: of a node's part of them, as long as every node's."""

    cluster: ipaddress.IPv4Network | None = None
    prefix: int = 0

    @classmethod
    def of(cls, pod_cidr: str, prefix: int) -> "NodeRanges":
        return cls(ipaddress.IPv4Network(pod_cidr) if pod_cidr else None, prefix)

    def why_not(self, node: str, wanted: Sequence[str], nodes: Iterable[Object]) -> str:
        """Why the node may not have these ranges, "" when it may. nodes: all of them."""
        if len(wanted) > 1:
            return "a node has one range of pods' addresses"
        for text in wanted:
            try:
                network = ipaddress.IPv4Network(text)
            except ValueError:
                return f"{text} is no IPv4 network"
            if self.cluster is not None and not network.subnet_of(self.cluster):
                return f"{text} is not inside the pod network {self.cluster}"
            if network.prefixlen < self.prefix:
                return f"{text} is more than a node's part of the pod network, which is a /{self.prefix}"
            for other in nodes:
                if meta.name(other) != node and any(network.overlaps(each) for each in _ranges(other)):
                    return f"{text} overlaps the range of node {meta.name(other)}"
        return ""


def ranges_of(node: Object) -> list[str]:
    return (node.get("spec") or {}).get("podCIDRs") or []


def _ranges(node: Object) -> Iterator[ipaddress.IPv4Network]:
    for text in ranges_of(node):
        try:
            yield ipaddress.IPv4Network(text)
        except ValueError:
            continue
