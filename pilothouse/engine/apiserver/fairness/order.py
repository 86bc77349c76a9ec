"""Flows that wait, by the time they have used: whose turn is next costs the logarithm of how many there are.

The time that a flow has used only grows, so entries are not moved when it does: one that comes first with an old time is put where it
belongs then. Likewise one whose flow has gone to another standing is dropped when it comes first. Of two that have used the same, the one
that came last is first: the other may have had its turn just before, when it was alone.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Any

SEATED = -1
"""The standing of a flow whose first waiting request is in execution; of others it is the number of their seats."""
_STALE_KEPT = 16


class Flow:
    """waiting: what its owner put there, each with `is_seated`. virtual_s: time used, in the level's virtual time. seats: of its requests
    in execution. entered: for `Order` alone, the standings in which it has an entry, as bits."""

    __slots__ = ("entered", "name", "seats", "virtual_s", "waiting")

    def __init__(self, name: str, virtual_s: float) -> None:
        self.name = name
        self.virtual_s = virtual_s
        self.waiting: deque[Any] = deque()
        self.seats = 0
        self.entered = 0

    @property
    def is_idle(self) -> bool:
        return not self.seats and not self.waiting

    @property
    def standing(self) -> int | None:
        """None when nothing waits."""
        if not self.waiting:
            return None
        return SEATED if self.waiting[0].is_seated else self.seats


_Entry = tuple[float, int, Flow]


class Order:
    """Flows are kept by standing, since what may go on depends on that."""

    def __init__(self) -> None:
        self._entries: dict[int, list[_Entry]] = {}
        self._numbers = count(0, -1)

    def note(self, flow: Flow, flows: int) -> None:
        """After its standing may have changed. flows: how many there are, by which the entries are bounded."""
        standing = flow.standing
        if standing is None or flow.entered & _bit(standing):
            return
        entries = self._entries.setdefault(standing, [])
        if len(entries) > 2 * flows + _STALE_KEPT:
            self._tidy(entries, standing)
        heappush(entries, (flow.virtual_s, next(self._numbers), flow))
        flow.entered |= _bit(standing)

    def first(self, standing: int) -> Flow | None:
        """The flow that has used least."""
        entries = self._entries.get(standing, [])
        while entries:
            noted_s, _, flow = entries[0]
            if flow.standing != standing:
                heappop(entries)
                flow.entered &= ~_bit(standing)
            elif flow.virtual_s > noted_s:
                heapreplace(entries, (flow.virtual_s, next(self._numbers), flow))
            else:
                return flow
        self._entries.pop(standing, None)
        return None

    def unseated(self, most: int) -> Iterator[Flow]:
        """Of the flows that have the same number of seats, and fewer than `most`, the one that has used least."""
        for standing in [each for each in self._entries if SEATED < each < most]:
            found = self.first(standing)
            if found is not None:
                yield found

    def _tidy(self, entries: list[_Entry], standing: int) -> None:
        for _, _, flow in entries:
            if flow.standing != standing:
                flow.entered &= ~_bit(standing)
        entries[:] = [entry for entry in entries if entry[2].standing == standing]
        heapify(entries)


def _bit(standing: int) -> int:
    return 1 << (standing - SEATED)
