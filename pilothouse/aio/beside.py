"""Threads for work that would hold the event loop for long: so much of it at a time, lest it takes the interpreter from the loop.

A text of a few megabytes may keep a thread busy for half a minute. So those who wait take turns, by on whose behalf they do, and nobody
has all threads at a time.
"""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from pilothouse.aio.completion import completed

T = TypeVar("T")
charge: ContextVar[Callable[[float], None] | None] = ContextVar("charge", default=None)
"""Called in the event loop, in the context of whoever awaits `Beside.run`, with the seconds of the processor that the work has taken."""
holder: ContextVar[str] = ContextVar("holder", default="")
"""On whose behalf work is done."""


class Beside:
    """running: how many threads are at work, or about to begin."""

    def __init__(self, threads: int) -> None:
        self.running = 0
        self._most, self._most_each = threads, max(1, threads - 1)
        self._running_for: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, work: Callable[[], T], *, is_large: bool = True) -> T:
        """What work returns, or raises. is_large: False for work that is done before others have waited for it.

        Work that has begun keeps its place to its end, whoever is cancelled meanwhile: else those who give up would leave ever more of it.
        """
        if not is_large:
            return work()
        name = holder.get()
        await self._enter(name)
        return await completed(self._in_thread(work, name))

    async def _enter(self, name: str) -> None:
        if name not in self._waiting and self._may_begin(name):
            self._take(name)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._withdraw(name, turn)
            else:
                self._leave(name)
            raise

    def _may_begin(self, name: str) -> bool:
        return self.running < self._most and self._running_for[name] < self._most_each

    def _take(self, name: str) -> None:
        self.running += 1
        self._running_for[name] += 1

    def _leave(self, name: str) -> None:
        self.running -= 1
        self._running_for[name] -= 1
        if not self._running_for[name]:
            del self._running_for[name]
        self._begin_next()

    def _begin_next(self) -> None:
        name = next((each for each in self._waiting if self._may_begin(each)), None)
        if name is None:
            return
        turn = self._waiting[name].popleft()
        self._waiting.move_to_end(name)
        self._forget_if_empty(name)
        self._take(name)
        turn.set_result(None)

    def _withdraw(self, name: str, turn: "asyncio.Future[None]") -> None:
        self._waiting[name].remove(turn)
        self._forget_if_empty(name)

    def _forget_if_empty(self, name: str) -> None:
        if not self._waiting[name]:
            del self._waiting[name]

    async def _in_thread(self, work: Callable[[], T], name: str) -> T:
        taken_s: list[float] = []
        try:
            return await asyncio.to_thread(_timed, work, taken_s)
        finally:
            self._leave(name)
            if (pay := charge.get()) is not None:
                pay(sum(taken_s))


def _timed(work: Callable[[], T], taken_s: list[float]) -> T:
    began = time.thread_time()
    try:
        return work()
    finally:
        taken_s.append(time.thread_time() - began)
