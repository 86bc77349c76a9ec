"""What a node writes about itself beside what upstream's nodes do. Pure.

By the names of the objects in kube-system it is held to its own.
"""

from pilothouse.model import meta
from pilothouse.model.json import Object

NAMESPACE = "kube-system"
DNS_SERVICE = "kube-dns"
DNS_CONFIG = "coredns"
"""The ConfigMap of the DNS servers' configuration."""
REACHED_BY = "network.pilothouse.dev/reached-by"
"""Annotation of a Node: the address by which other machines reach it, where its own is in a network within its machine."""


def report_name(node: str) -> str:
    """Of the Lease in which the node reports the endpoints that its proxies still route to."""
    return f"endpoints-{node}"


def dns_slice_names(node: str) -> tuple[str, str]:
    """Of the EndpointSlices that lead the DNS Service to the node's own server, with its IPv4 and its IPv6 address."""
    return f"{DNS_SERVICE}-{node}", f"{DNS_SERVICE}.ipv6.{node}"


SIMULATED = "node.pilothouse.dev/simulated"
"""Label, and key of a taint, of Nodes that are no machines: nothing runs there, and nothing answers."""
SIMULATED_PREFIX, MOST_SIMULATED = "simulated-", 5_000
"""How their names begin, and how many there can be."""
SIMULATED_LEASE = "simulated-nodes"
"""The one Lease in kube-node-lease by which all of them are alive."""


def is_simulated(node: Object) -> bool:
    """A label alone makes no machine one of them."""
    return meta.name(node).startswith(SIMULATED_PREFIX) and meta.labels(node).get(SIMULATED) == "true"
