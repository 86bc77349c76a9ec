"""UDP flows through services that the kernel must forget, since their endpoints are others now. Kept until that has happened.

Where a flow was there before its Service, it has no translation: that, too, is not what is meant now.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

import structlog

from pilothouse.linux import conntrack
from pilothouse.linux.conntrack import Address, Flow
from pilothouse.network.service.config import LOOPBACK
from pilothouse.network.service.endpoints import Target
from pilothouse.network.service.family import FAMILIES, Family, family_of
from pilothouse.network.service.plan import Fragment, Where

log = structlog.get_logger("network.service")


def forget_unanswered(addresses: Collection[str]) -> None:
    """Flows to endpoints at these addresses that have had no answer: their next packet goes to another endpoint. Blocks; does not fail."""
    for family in FAMILIES:
        own = [address for address in addresses if family_of(address) == family]
        try:
            ended = conntrack.forget_unanswered(own, family.number)
        except OSError as error:
            log.warning("connections that former endpoints have not answered could not be ended", error=str(error))
            continue
        if ended:
            log.debug("connections that former endpoints have not answered ended", count=ended)


class StaleFlows:
    """Owned by one thread."""

    def __init__(self) -> None:
        self._meant: dict[Address, frozenset[Target]] = {}
        self.failures = 0

    def __bool__(self) -> bool:
        return bool(self._meant)

    def note(self, before: Fragment, after: Fragment, meant: Callable[[Where], frozenset[Target]], node_addresses: Iterable[str]) -> None:
        """A service's rules changed. meant: where a frontend leads by now, which another service may have, too. node_addresses: of the
        fragments' IP family."""
        for where in {**before.frontends, **after.frontends}:
            if where.protocol == "udp" and before.targets(where) != after.targets(where):
                # A node port that nothing sets apart at an address leads there where it leads everywhere.
                targets = meant(where) or (meant(replace(where, address="")) if where.address == str(LOOPBACK) else frozenset())
                for address in (where.address,) if where.address else node_addresses:
                    self._meant[address, where.port] = targets

    def is_stale(self, flow: Flow) -> bool:
        meant = self._meant.get(flow.to)
        return meant is not None and flow.answers not in meant

    def end(self) -> None:
        """Blocks. What could not be ended is kept for the next call; `failures` counts calls in a row that failed."""
        try:
            ended = sum(self._end(family) for family in FAMILIES)
        except OSError as error:
            self.failures += 1
            say = log.warning if self.failures == 1 else log.debug
            say("UDP flows to former endpoints could not be ended: trying again", error=str(error), failures=self.failures)
            return
        if ended:
            log.debug("UDP flows to former endpoints ended", count=ended)
        self._meant.clear()
        self.failures = 0

    def _end(self, family: Family) -> int:
        ports = {port for address, port in self._meant if family_of(address) == family}
        return conntrack.forget(ports, self.is_stale, family=family.number) if ports else 0
