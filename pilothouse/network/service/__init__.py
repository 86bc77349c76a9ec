"""Services on a node: what is sent to a service's address arrives at one of its ready endpoints.

    Services, EndpointSlices -> endpoints (who is meant) -> plan (one service's rules) -> book (the difference as one nft
    transaction) -> kernel

Invariant: a packet costs the same few lookups whatever the number of services, and a change writes what it changes. (nft reads
the names of all chains before it adds a rule: 0.6 ms a change with 100 services, 5 ms with 1,000.) The rules
stay when this process ends, so traffic goes on; the next start replaces them in one step.
"""

from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.proxy import ServiceProxy

__all__ = ["ServiceProxy", "ServiceProxyConfig"]
