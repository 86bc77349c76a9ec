"""Leases that no sandbox of the runtime has: their DEL never came, since the sandbox was removed while nobody answered. Pure.

The runtime lists a sandbox only when its network is ready, so a lease that is missing from the list may belong to one that is just
being made: it goes once it has been missing for longer than that may take. Source: CNI specification 1.1.0, GC.
"""

from collections.abc import Collection, Iterable

from pilothouse.network.pod.addresses import Lease

PATIENCE_S = 180.0
"""Longer than a runtime is given to make a sandbox."""


class Unclaimed:
    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._since: dict[Lease, float] = {}

    def due(self, leases: Iterable[Lease], sandboxes: Collection[str], now: float) -> list[Lease]:
        """Those to be given back. sandboxes: ids of all that the runtime has. now: in seconds, of a clock that never goes back.

        What has not gone by the next look is named again.
        """
        missing = [lease for lease in leases if lease.container not in sandboxes]
        self._since = {lease: self._since.get(lease, now) for lease in missing}
        return [lease for lease, since in self._since.items() if now - since >= self._patience_s]
