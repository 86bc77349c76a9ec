"""From which addresses the operator reaches members: those of the nodes, on one of which it runs (pure).

A node's own pods take what comes from it whatever their policies say; on other nodes it arrives with the node's own address.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from pilothouse.model.json import Object


def ranges(nodes: Iterable[Object]) -> list[str]:
    """Each node's addresses inside the cluster, as CIDR, sorted."""
    found = {
        str(each["address"])
        for node in nodes
        for each in (node.get("status") or {}).get("addresses") or ()
        if each.get("type") == "InternalIP"
    }
    return sorted(f"{address}/{ip_address(address).max_prefixlen}" for address in found)
