"""Whether a node may serve under the addresses that it asks a certificate for. Pure.

Upstream leaves this to people or to what knows the machines. Here a node gets a certificate for the addresses that its Node object states,
unless they are another node's, or the API server's: it could pass for either otherwise. Names are nobody's, and get none.
"""

from collections.abc import Collection, Iterable
from ipaddress import ip_address

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.wire.certificate_request import CertificateRequest


def why_not(asked: CertificateRequest, node: Object | None, nodes: Iterable[Object], reserved: Collection[str]) -> str:
    """nodes: all of them. reserved: addresses of the cluster's own servers. "" for nothing against it."""
    if asked.dns_names:
        return "it asks for names: a node serves under its addresses"
    if node is None:
        return "there is no Node of that name"
    own = addresses(node)
    for address in asked.addresses:
        if address not in own:
            return f"{address} is no address of the Node"
        if address in reserved or ip_address(address).is_loopback:
            return f"{address} is the API server's"
        if holder := next((meta.name(each) for each in nodes if meta.name(each) != meta.name(node) and address in addresses(each)), ""):
            return f"{address} is an address of node {holder}, too"
    return ""


def addresses(node: Object) -> set[str]:
    found = (node.get("status") or {}).get("addresses") or ()
    return {str(each.get("address")) for each in found if each.get("type") in ("InternalIP", "ExternalIP")}
