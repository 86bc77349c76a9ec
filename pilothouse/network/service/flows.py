"""UDP flows through services that the kernel must forget, since their endpoints are others now. Kept until that has happened.

Where a flow was there before its Service, it has no translation: that, too, is not what is meant now.
"""

from collections.abc import Callable

import structlog

from pilothouse.linux import conntrack
from pilothouse.linux.conntrack import Address, Flow
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.plan import Fragment

log = structlog.get_logger("network.service")


class StaleFlows:
    """Owned by one task, which calls `end` in a thread and waits for it."""

    def __init__(self, config: ServiceProxyConfig) -> None:
        self._node_port_addresses = config.node_port_addresses
        self._meant: dict[Address, frozenset[Address]] = {}
        self.failures = 0

    def __bool__(self) -> bool:
        return bool(self._meant)

    def note(self, before: Fragment, after: Fragment, meant: Callable[[Address], frozenset[Address]]) -> None:
        """A service's rules changed. meant: where a frontend leads by now, which another service may have, too."""
        for at in {*before.udp, *after.udp}:
            if before.udp.get(at) != after.udp.get(at):
                for address in (at[0],) if at[0] else self._node_port_addresses:
                    self._meant[address, at[1]] = meant(at)

    def is_stale(self, flow: Flow) -> bool:
        meant = self._meant.get(flow.to)
        return meant is not None and flow.answers not in meant

    def end(self) -> None:
        """Blocks. What could not be ended is kept for the next call; `failures` counts calls in a row that failed."""
        try:
            ended = conntrack.forget((port for _, port in self._meant), self.is_stale)
        except OSError as error:
            self.failures += 1
            say = log.warning if self.failures == 1 else log.debug
            say("UDP flows to former endpoints could not be ended: trying again", error=str(error), failures=self.failures)
            return
        if ended:
            log.debug("UDP flows to former endpoints ended", count=ended)
        self._meant.clear()
        self.failures = 0
