"""What a node writes in kube-system about itself: by these names it is held to its own. Pure."""

NAMESPACE = "kube-system"
DNS_SERVICE = "kube-dns"


def report_name(node: str) -> str:
    """Of the Lease in which the node reports the endpoints that its proxies still route to."""
    return f"endpoints-{node}"


def dns_slice_name(node: str) -> str:
    """Of the EndpointSlice that leads the DNS Service to the node's own server."""
    return f"{DNS_SERVICE}-{node}"
