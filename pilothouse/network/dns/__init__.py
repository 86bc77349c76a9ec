"""Names of services and pods, answered on the node from the informers' caches.

A question inside the cluster's zone is answered within the packet's arrival: no disk, no request, no task. All others go to
the host's own name servers. Invariant: a name that is in the caches is answered, whatever upstream does.
"""

from pilothouse.network.dns.component import ClusterDNS
from pilothouse.network.dns.config import ClusterDNSConfig

__all__ = ["ClusterDNS", "ClusterDNSConfig"]
