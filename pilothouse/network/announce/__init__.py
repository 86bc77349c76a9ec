"""Addresses of load balancers on a node: which the node has to offer, and which of the pools' it answers for on its links.

    Services, pools, L2Advertisements, Nodes -> plan (which address is this node's) -> holder (kernel addresses, probes, announcements)

The kernel answers ARP and Neighbour Discovery, as for any address of the machine; this process only adds, renews and removes addresses. So
nothing is lost while it is restarted, and since each has a lifetime, a node whose agent is dead stops answering by itself.
Invariant: no node takes an address for which somebody else on the link answers.
"""

from pilothouse.network.announce.component import Announcer
from pilothouse.network.announce.config import AnnouncerConfig

__all__ = ["Announcer", "AnnouncerConfig"]
