"""What a change of the way between nodes ends, beside what it is made for."""

from typing import TYPE_CHECKING

from pilothouse.model import meta
from pilothouse.model.cluster_network import BGP, HOST

if TYPE_CHECKING:
    from pilothouse.client.client import Client
    from pilothouse.model.json import Object

MOST_NAMED = 5


async def consequences(client: "Client", before: "Object", after: "Object") -> list[str]:
    """Sentences for whoever makes the change; none where it ends nothing."""
    if before["backend"] == after["backend"]:
        return []
    found = []
    if after["backend"] == HOST:
        found.append("with Host nodes have no routes to each other's pods: the network around has to lead each node's range there")
    if before["backend"] == BGP:
        found += await _sessions(client)
    return found


async def _sessions(client: "Client") -> list[str]:
    from pilothouse.model.bgp import BGPADVERTISEMENTS, BGPPEERS
    from pilothouse.model.errors import NotFound

    said = []
    for resource, what in (
        (BGPPEERS, "sessions end with the routers of BGPPeer {}: what they learnt of pods and load balancers, they lose"),
        (BGPADVERTISEMENTS, "nobody is told of the addresses of BGPAdvertisement {} any more"),
    ):
        try:
            names = sorted(meta.name(each) for each in (await client.list_all(resource)).items)
        except NotFound:
            continue
        if names:
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            said.append(what.format(", ".join(names[:MOST_NAMED]) + more))
    return said
