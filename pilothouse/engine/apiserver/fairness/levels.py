"""One priority level at work: its seats, and the flows whose requests wait for one.

Each flow has a queue of its own. Flows are served by virtual time: each advances by the time that its requests have held the event loop,
and the one that is furthest behind is next (start-time fair queueing). A flow that comes back from rest starts at the level's virtual
time, so that nobody saves up turns, unless it has used more than that.

Upstream deals flows to a fixed number of queues instead; its settings bound here what they bound there: a flow's waiting requests by
a hand of full queues, a level's by all of its queues.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from pilothouse.engine.apiserver.fairness.configuration import PriorityLevel
from pilothouse.engine.apiserver.fairness.order import SEATED, Flow, Order

SEATS = 128
"""Requests in execution at a time, exempt ones not counted. They share one processor: more would only wait inside instead of in queues."""
_RESTED_KEPT = 1024
LEAST_S = 0.00002
"""What a turn costs at least: it moves the queue on where the clock does not."""


@dataclass(slots=True)
class Pool:
    """What levels lend each other: seats beyond those that each keeps for itself. used: more than size after a change of sizes."""

    size: int = 0
    used: int = 0


@dataclass(slots=True, eq=False)
class Level:
    """nominal, kept: its seats, and how many of them it lends to nobody. most: what it may have when nobody else wants any.

    virtual_s: time used by the level, weighted by its shares.
    """

    settings: PriorityLevel
    pool: Pool
    nominal: int = 0
    kept: int = 0
    most: int = 0
    virtual_s: float = 0.0
    seats: int = 0
    waiting: int = 0
    _served_s: float = 0.0
    _flows: dict[str, Flow] = field(default_factory=dict)
    _rested: dict[str, float] = field(default_factory=dict)
    _order: Order = field(default_factory=Order)

    @property
    def is_idle(self) -> bool:
        return not self.seats and not self.waiting

    def flow(self, name: str) -> Flow:
        """Not kept before something is in it."""
        found = self._flows.get(name)
        return Flow(name, max(self._rested.get(name, 0.0), self._served_s)) if found is None else found

    def is_next(self, flow: Flow) -> bool:
        """Whether it has nothing here yet and has used no more than any that waits."""
        return flow.is_idle and flow.virtual_s <= self._served_s

    def has_room(self, flow: Flow) -> bool:
        """Whether one more request of the flow may wait."""
        settings = self.settings
        most = settings.hand_size * settings.queue_length
        return len(flow.waiting) < most and self.waiting < settings.queues * settings.queue_length

    def has_seat(self, flow: Flow) -> bool:
        """Whether one more request of the flow may be in execution. A level without queues has no parts of flows."""
        if flow.seats and self.settings.queues:
            return flow.seats < self._part()
        return self.seats < self.kept or self.seats < self._reachable()

    def _part(self) -> int:
        """How many seats a flow may have to get one more.

        Of what the level can have, each flow gets a part, and the last part is left for those that have none: seats may be held for long,
        and what their holders wait for (a webhook's server, say) may ask for one itself."""
        reachable = self._reachable()
        part = reachable // (len(self._flows) + 1)
        left = reachable - self.seats
        return max(1, part) if part < left else min(1, left)

    def _reachable(self) -> int:
        return min(self.most, max(self.seats, self.kept) + max(0, self.pool.size - self.pool.used))

    def queue(self, flow: Flow, waiter: Any, *, ahead: bool = False) -> None:
        """ahead: of its flow's others."""
        self._flows[flow.name] = flow
        (flow.waiting.appendleft if ahead else flow.waiting.append)(waiter)
        self.waiting += 1
        self._order.note(flow, len(self._flows))

    def dequeue(self, flow: Flow, waiter: Any) -> None:
        """Before it takes its seat, or lets go of the flow (`rest`)."""
        if flow.waiting[0] is waiter:
            flow.waiting.popleft()
        else:
            flow.waiting.remove(waiter)
        self.waiting -= 1
        self._order.note(flow, len(self._flows))

    def take(self, flow: Flow) -> None:
        self._flows[flow.name] = flow
        if self.seats >= self.kept:
            self.pool.used += 1
        self.seats += 1
        flow.seats += 1
        if flow.waiting:
            self._order.note(flow, len(self._flows))
        self.serve(flow)

    def give(self, flow: Flow) -> None:
        self.seats -= 1
        flow.seats -= 1
        if self.seats >= self.kept:
            self.pool.used -= 1
        if flow.waiting:
            self._order.note(flow, len(self._flows))
        self.rest(flow)

    def entitle(self, nominal: int, kept: int, most: int) -> None:
        """Give it other figures, whatever it has in execution."""
        self.pool.used += max(0, self.seats - kept) - max(0, self.seats - self.kept)
        self.nominal, self.kept, self.most = nominal, kept, most

    def serve(self, flow: Flow) -> None:
        """It is the flow's turn."""
        self._served_s = max(self._served_s, flow.virtual_s)
        self.charge(flow, LEAST_S)

    def rest(self, flow: Flow) -> None:
        """Let go of a flow in which nothing is any more; what it has used beyond the others is remembered while they are at work."""
        if not flow.is_idle:
            return
        self._flows.pop(flow.name, None)
        if self.is_idle or len(self._rested) >= _RESTED_KEPT:
            self._rested.clear()
        if not self.is_idle:
            self._rested[flow.name] = flow.virtual_s

    def charge(self, flow: Flow, seconds: float) -> None:
        flow.virtual_s += seconds
        self.virtual_s += seconds / max(1, self.settings.shares)

    def next(self) -> Flow | None:
        """The flow to be served next; None when none has both somebody waiting and a seat."""
        best = self._order.first(SEATED)
        for flow in self._order.unseated(self._part()):
            if best is None or flow.virtual_s < best.virtual_s:
                best = flow
        return best


def share_out(levels: Iterable[Level], pool: Pool, seats: int = SEATS) -> None:
    """Give each level its seats: by shares, at least one each."""
    limited = [level for level in levels if not level.settings.exempt]
    total = sum(level.settings.shares for level in limited) or 1
    nominal = {level: max(1, ceil(seats * level.settings.shares / total)) for level in limited}
    lent = {level: round(nominal[level] * level.settings.lendable_percent / 100) for level in limited}
    pool.size = sum(lent.values())
    for level in limited:
        percent, kept = level.settings.borrowing_percent, nominal[level] - lent[level]
        borrowed = pool.size if percent is None else nominal[level] * percent // 100
        level.entitle(nominal[level], kept, max(1, min(nominal[level] + borrowed, kept + pool.size)))


def retire(level: Level) -> None:
    """Of a level that gets no new requests: those that wait in it go on with one seat of its own and what it can borrow."""
    level.entitle(1, 1, max(1, level.most))
