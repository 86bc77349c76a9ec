"""Keys that wait for a reconciler: each at most once in the queue and at most once in work.

A key added while it is being worked on comes again when that work is done, so no change is lost and no key is worked on
twice at a time. The queue is bounded by the number of distinct keys, that is by the number of objects.
Source: client-go/util/workqueue (the rules), rewritten for one event loop: no locks.
"""

import asyncio
import heapq
import random
from collections import deque
from typing import NamedTuple


class _Due(NamedTuple):
    at: float
    key: str


class WorkQueue:
    """first_delay_s, max_delay_s: back-off of a key that fails, doubling; a random tenth is added so that keys spread."""

    def __init__(self, *, first_delay_s: float = 0.01, max_delay_s: float = 120.0) -> None:
        self._first_delay_s = first_delay_s
        self._max_delay_s = max_delay_s
        self._ready: deque[str] = deque()
        self._pending: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._due: list[_Due] = []
        self._due_at: dict[str, float] = {}
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0
        self._getters: deque[asyncio.Future[None]] = deque()

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
        if key in self._pending:
            return
        self._pending.add(key)
        if key not in self._working:
            self._push(key)

    def add_after(self, key: str, delay_s: float) -> None:
        """Add the key later; of several times for a key the earliest counts."""
        if delay_s <= 0:
            self.add(key)
            return
        at = asyncio.get_running_loop().time() + delay_s
        if at < self._due_at.get(key, float("inf")):
            self._due_at[key] = at
            heapq.heappush(self._due, _Due(at, key))
            self._arm()

    def add_backoff(self, key: str) -> float:
        """Add the key after a delay that doubles with each failure since the last `forget`. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled_s = min(self._first_delay_s * float(2 ** min(failures, 32)), self._max_delay_s)
        delay_s = doubled_s * (1 + random.random() / 10)
        self.add_after(key, delay_s)
        return delay_s

    def forget(self, key: str) -> None:
        self._failures.pop(key, None)

    async def get(self) -> str:
        """The next key. It is in work until `done(key)`."""
        while not self._ready:
            await self._wait()
        key = self._ready.popleft()
        self._pending.discard(key)
        self._working.add(key)
        return key

    def done(self, key: str) -> None:
        self._working.discard(key)
        if key in self._pending:
            self._push(key)

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
                self.add(due.key)
        if self._due:
            self._arm()
