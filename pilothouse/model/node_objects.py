"""What a node writes about itself beside what upstream's nodes do. Pure.

By the names of the objects in kube-system it is held to its own.
"""

NAMESPACE = "kube-system"
DNS_SERVICE = "kube-dns"
REACHED_BY = "network.pilothouse.dev/reached-by"
"""Annotation of a Node: the address by which other machines reach it, where its own is in a network within its machine."""


def report_name(node: str) -> str:
    """Of the Lease in which the node reports the endpoints that its proxies still route to."""
    return f"endpoints-{node}"


def dns_slice_name(node: str) -> str:
    """Of the EndpointSlice that leads the DNS Service to the node's own server."""
    return f"{DNS_SERVICE}-{node}"
