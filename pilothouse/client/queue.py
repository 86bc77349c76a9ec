"""Keys that wait for a reconciler: each at most once in the queue and at most once in work.

A key added while it is being worked on comes again when that work is done, so no change is lost and no key is worked on
twice at a time. The queue is bounded by the number of distinct keys, that is by the number of objects.
Source: client-go/util/workqueue (the rules), rewritten for one event loop: no locks.

No key can hold the event loop, whatever its reconciler asks for: `get` lets others run before each key, a delay has a least
length, and a key that comes more often than its budgets allow waits between its rounds. The budget of rounds that only the
reconciler itself has asked for is small, and whole again after each change; that of rounds after changes is large.
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

from pilothouse.aio.pace import Budget, Pace

LEAST_DELAY_S = 0.05
UNPROVOKED = Budget(burst=30, refill_s=2.0)
PROVOKED = Budget(burst=200, refill_s=0.1)
FORGET_S = 60.0
STALE_DUES = 100


class Line(Protocol):
    """Keys that are ready, in the order in which they go; a deque is one."""

    def append(self, key: str, /) -> None: ...

    def popleft(self) -> str:
        """The one whose turn it is; only asked when there is one."""
        ...

    def __len__(self) -> int: ...


class _Due(NamedTuple):
    at: float
    key: str


class _Paces:
    """Of one key. free_at: when a round that had to wait may begin, on the loop's clock."""

    __slots__ = ("free_at", "provoked", "unprovoked")

    def __init__(self) -> None:
        self.unprovoked = Pace(UNPROVOKED)
        self.provoked = Pace(PROVOKED)
        self.free_at: float | None = None

    def is_at_rest(self, now: float) -> bool:
        return self.free_at is None and self.unprovoked.is_at_rest(now) and self.provoked.is_at_rest(now)


class WorkQueue:
    """first_delay_s, max_delay_s: back-off of a key that fails, doubling; a random tenth is added so that keys spread.

    on_slowed(key, pause_s): hears of a key that begins to be slowed down. line: whose turn it is; who has waited longest, if not given.
    """

    def __init__(self, *, first_delay_s: float = 0.01, max_delay_s: float = 120.0, line: Line | None = None) -> None:
        self.on_slowed: Callable[[str, float], None] = lambda key, pause_s: None
        self._first_delay_s = first_delay_s
        self._max_delay_s = max_delay_s
        self._ready: Line = deque[str]() if line is None else line
        self._pending: set[str] = set()
        self._changed: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: list[_Due] = []
        self._due_at: dict[str, float] = {}
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._getters: deque[asyncio.Future[None]] = deque()
        self._paces: dict[str, _Paces] = {}
        self._forget_at = 0.0

    def __len__(self) -> int:
        """Keys ready to be worked on; delayed ones are not counted."""
        return len(self._ready)

    @property
    def idle(self) -> bool:
        """Nothing ready, nothing in work. Delayed keys may remain."""
        return not self._pending and not self._working

    def failures(self, key: str) -> int:
        return self._failures.get(key, 0)

    def add(self, key: str) -> None:
        """Something about the object has changed: the key comes as soon as its budget allows."""
        self._changed.add(key)
        self._add(key)

    def add_after(self, key: str, delay_s: float) -> None:
        """Add the key later, after LEAST_DELAY_S at the soonest; of several times for a key the earliest counts."""
        self._add_at(key, asyncio.get_running_loop().time() + max(LEAST_DELAY_S, delay_s))

    def add_backoff(self, key: str, first_delay_s: float | None = None) -> float:
        """Add the key after a delay that doubles with each failure since the last `forget`. Returns the delay in seconds.

        first_delay_s: what it begins with, if not as all keys do.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        first_s = self._first_delay_s if first_delay_s is None else first_delay_s
        doubled_s = min(first_s * float(2 ** min(failures, 32)), self._max_delay_s)
        delay_s = doubled_s * (1 + random.random() / 10)
        self._add_at(key, asyncio.get_running_loop().time() + delay_s)
        return delay_s

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)

    async def get(self) -> str:
        """The next key. It is in work until `done(key)`. Others get their turn first, though keys are ready."""
        await asyncio.sleep(0)
        while True:
            while not self._ready:
                await self._wait()
            key = self._ready.popleft()
            self._pending.discard(key)
            if self._may_begin(key):
                self._changed.discard(key)
                self._working.add(key)
                return key

    def done(self, key: str) -> None:
        self._working.discard(key)
        if key in self._pending:
            self._push(key)

    def _may_begin(self, key: str) -> bool:
        """False: the key has used up its budget; it comes again when its pause is over."""
        now = asyncio.get_running_loop().time()
        paces = self._paces_of(key, now)
        if key in self._changed and paces.unprovoked.is_slowed:
            # What it has waited for up to here was the price of rounds without a change.
            paces.free_at = None
        if paces.free_at is None:
            pause_s = self._count(key, paces, now)
            if not pause_s:
                return True
            paces.free_at = now + pause_s
        if paces.free_at > now + 0.001:
            self._add_at(key, paces.free_at)
            return False
        paces.free_at = None
        return True

    def _count(self, key: str, paces: _Paces, now: float) -> float:
        pace = paces.unprovoked
        if key in self._changed:
            paces.unprovoked.reset()
            pace = paces.provoked
        was_slowed = pace.is_slowed
        pause_s = pace.round(now)
        if pause_s and not was_slowed:
            self.on_slowed(key, pause_s)
        return pause_s

    def _paces_of(self, key: str, now: float) -> _Paces:
        if now >= self._forget_at:
            self._forget_at = now + FORGET_S
            self._paces = {key: paces for key, paces in self._paces.items() if not paces.is_at_rest(now)}
        found = self._paces.get(key)
        if found is None:
            found = self._paces[key] = _Paces()
        return found

    def _add(self, key: str) -> None:
        if key in self._pending:
            return
        self._pending.add(key)
        if key not in self._working:
            self._push(key)

    def _add_at(self, key: str, at: float) -> None:
        if at < self._due_at.get(key, float("inf")):
            self._due_at[key] = at
            heapq.heappush(self._due, _Due(at, key))
            if len(self._due) > 2 * len(self._due_at) + STALE_DUES:
                self._due = [_Due(at, key) for key, at in self._due_at.items()]
                heapq.heapify(self._due)
            self._arm()

    def _push(self, key: str) -> None:
        self._ready.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._getters:
            getter = self._getters.popleft()
            if not getter.done():
                getter.set_result(None)
                return

    async def _wait(self) -> None:
        getter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._getters.append(getter)
        try:
            await getter
        except asyncio.CancelledError:
            if getter.done() and not getter.cancelled() and self._ready:
                self._wake_one()
            raise

    def _arm(self) -> None:
        """Keep one timer, set to the earliest key that is due."""
        at = self._due[0].at
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        # uvloop gives a plain Handle, without its time, for what is due already.
        self._timer, self._timer_at = asyncio.get_running_loop().call_at(at, self._release), at

    def _release(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        # The loop may call a timer up to its clock's resolution early.
        while self._due and self._due[0].at <= now + 0.001:
            due = heapq.heappop(self._due)
            if self._due_at.get(due.key) == due.at:
                del self._due_at[due.key]
                self._add(due.key)
        if self._due:
            self._arm()
