"""How a node learns that an endpoint has left every proxy before it tells the process behind it to end.

A consumer (service proxy, gateway) reports the pod addresses that it routes to, after each change that has taken effect.
The node agent waits, with a deadline, until no consumer routes to an address: no request meets a process that is going. Proxies of other
nodes are asked about `elsewhere`, after those of this process.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Set
from typing import Protocol

AT_ONCE_S = 0.01
"""Within which an answer has come that was not waited for."""
KEPT_S = 5.0
"""How long it is known when an address was left."""


class Elsewhere(Protocol):
    """The proxies of other nodes."""

    async def released(self, address: str, deadline_s: float) -> bool:
        """As the barrier's own."""
        ...


class Consumer:
    """One proxy's word on where it routes to. Made by `EndpointBarrier.join`."""

    def __init__(self, barrier: "EndpointBarrier", name: str) -> None:
        self.name = name
        self.addresses: Set[str] = frozenset()
        self.revision: str | int | None = None
        self._barrier = barrier

    def routes(self, addresses: Set[str], revision: str | int | None = None) -> None:
        """What the proxy routes to from this moment on; revision: of the last change that it has applied."""
        before, self.addresses = self.addresses, addresses
        self.revision = revision
        self._barrier.note_left(before - addresses)
        self._barrier.changed()

    def changes(self, routed: Iterable[str], left: Iterable[str], revision: str | int | None = None) -> None:
        """As `routes`, for a proxy of many addresses: those that it routes to since its last word, and those that it has left."""
        if not isinstance(self.addresses, set):
            self.addresses = set(self.addresses)
        gone = list(left)
        self.addresses.update(routed)
        known = [address for address in gone if address in self.addresses]
        self.addresses.difference_update(gone)
        self.revision = revision
        self._barrier.note_left(known)
        self._barrier.changed()

    def leave(self) -> None:
        """The proxy has stopped: nobody waits for it any more."""
        self.addresses = frozenset()
        self._barrier.left(self)


class EndpointBarrier:
    """elsewhere: None while there is nobody to ask. on_change: called when a consumer has reported, or has left.

    now: in seconds, of a clock that never goes back.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._left_at: dict[str, float] = {}
        self.elsewhere: Elsewhere | None = None
        self.on_change: Callable[[], None] | None = None
        self._consumers: list[Consumer] = []
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def join(self, name: str) -> Consumer:
        """A consumer that joins again takes its predecessor's place, and its addresses until it reports: they are still routed to."""
        consumer = Consumer(self, name)
        for former in [each for each in self._consumers if each.name == name]:
            consumer.addresses, consumer.revision = former.addresses, former.revision
            self._consumers.remove(former)
        self._consumers.append(consumer)
        return consumer

    def routed_by(self, address: str) -> list[str]:
        """Names of the consumers that still route to the address."""
        return [consumer.name for consumer in self._consumers if address in consumer.addresses]

    def addresses(self) -> frozenset[str]:
        """All that consumers of this process route to."""
        return frozenset().union(*(consumer.addresses for consumer in self._consumers))

    def applied(self, name: str) -> int:
        """The revision that the consumer of that name has applied; 0 for one that has said none."""
        return next((int(consumer.revision or 0) for consumer in self._consumers if consumer.name == name), 0)

    def note_left(self, addresses: Iterable[str]) -> None:
        """A consumer has left them."""
        now = self._now()
        for address in addresses:
            if not self.routed_by(address):
                self._left_at.pop(address, None)
                self._left_at[address] = now
        while self._left_at and now - next(iter(self._left_at.values())) > KEPT_S:
            del self._left_at[next(iter(self._left_at))]

    def left_for_s(self, address: str) -> float:
        """For how many seconds nobody has routed there, who did so before; infinite when that is long ago, or never was.

        Of proxies of other nodes it is known only when they were waited for.
        """
        left_at = self._left_at.get(address)
        return float("inf") if left_at is None else self._now() - left_at

    async def released(self, address: str, deadline_s: float) -> bool:
        """True once nobody routes to that pod IP any more; False when the deadline passes first."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        if not await self._released_here(address, deadline_s):
            return False
        if self.elsewhere is None:
            return True
        asked = self._now()
        released = await self.elsewhere.released(address, end - loop.time())
        if self._now() - asked > AT_ONCE_S:
            # Somebody elsewhere has left it only now.
            self.note_left([address])
        return released

    async def _released_here(self, address: str, deadline_s: float) -> bool:
        if not self.routed_by(address):
            return True
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(address, []).append(gone)
        try:
            async with asyncio.timeout(deadline_s):
                await gone
        except TimeoutError:
            return False
        finally:
            self._forget(address, gone)
        return True

    def changed(self) -> None:
        """A consumer has reported: release those whose address is nowhere any more."""
        if self.on_change is not None:
            self.on_change()
        for address, waiting in self._waiting.items():
            if not self.routed_by(address):
                for gone in waiting:
                    if not gone.done():
                        gone.set_result(None)

    def left(self, consumer: Consumer) -> None:
        if consumer in self._consumers:
            self._consumers.remove(consumer)
        self.changed()

    def _forget(self, address: str, gone: "asyncio.Future[None]") -> None:
        waiting = self._waiting[address]
        waiting.remove(gone)
        if not waiting:
            del self._waiting[address]
