"""To which addresses the API server connects because an object says so. Pure."""

from ipaddress import IPv6Address, ip_address


def is_proxyable(address: str) -> bool:
    """Whether an address may be a pod's, or a node's: not this machine's own loopback, nor one that means another thing on each link.

    Source: apimachinery/pkg/util/proxy and pkg/proxy/util, IsProxyableIP.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return not (found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified)
