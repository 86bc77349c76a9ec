"""Turns on the event loop: while anybody waits, few requests go on in each turn of the loop, and fairness chooses whose they are.

The loop runs all that is ready before it looks at sockets again. Were sixty-four requests let in together, the next one would wait for all
of them; so they wait in their levels' queues, and after each quantum of them the loop reads. Seats bound what is in execution (a write
holds its seat while it waits for the disk), turns bound what runs. A request that works long takes further turns between its slices.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pilothouse.aio.stopwatch import timed
from pilothouse.engine.apiserver.fairness.levels import LEAST_S, Level
from pilothouse.engine.apiserver.fairness.order import Flow
from pilothouse.model.errors import TooManyRequests

QUANTUM_S = 0.00025
"""How long requests may hold one turn of the loop before the next ones queue, or wait on."""
_SHARED_S, _ALONE_S = QUANTUM_S / 2, QUANTUM_S * 4
"""How long those who wait may hold one turn together: while several flows are served, and while only one is, which holds up nobody else."""
_FORGOTTEN = 1 / 16
"""Of the longest step, with each that is shorter."""
ALONE_AFTER_S = 1.0
"""How long a flow must have been the only one to be taken for that."""
LONGEST_WAIT_S = 15.0
"""Source: a quarter of kube-apiserver's --request-timeout."""
QUEUE_FULL, CONCURRENCY, TIME_OUT = "queue-full", "concurrency-limit", "time-out"

T = TypeVar("T")


class Refused(TooManyRequests):
    """why: the label of upstream's metric."""

    def __init__(self, why: str) -> None:
        super().__init__("Too many requests, please try again later.", details={"retryAfterSeconds": 1})
        self.why = why


class _Waiter:
    __slots__ = ("is_queued", "is_seated", "turn")

    def __init__(self, *, is_seated: bool = False) -> None:
        self.turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_seated = is_seated
        self.is_queued = True


class Seat:
    """A request's place in execution; given back exactly once."""

    __slots__ = ("_flow", "_is_held", "_level", "_turns")

    def __init__(self, turns: "Turns", level: Level, flow: Flow) -> None:
        self._turns = turns
        self._level = level
        self._flow = flow
        self._is_held = True

    @property
    def flow(self) -> str:
        """The name of what the request is a part of."""
        return self._flow.name

    def charge(self, seconds: float) -> None:
        """Of the event loop's time, used by this request."""
        self._level.charge(self._flow, seconds)
        self._turns.spend(seconds)

    def charge_beside(self, seconds: float) -> None:
        """Of threads beside the event loop, which are nobody's turn but count as used by this request's flow."""
        self._level.charge(self._flow, seconds)

    async def charged(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work that is done for this request in a task of its own."""
        return await timed(work, self.charge, self._turns.clock)

    async def turn(self) -> None:
        """Let others go first if it is their turn: called between slices of long work."""
        if self._is_held:
            await self._turns.again(self._level, self._flow)
        else:
            await asyncio.sleep(0)

    async def rejoin(self) -> None:
        """After a wait for something else, such as the disk: those who have waited for the same go on one after another."""
        if self._is_held:
            await self._turns.rejoin(self._level, self._flow)

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._turns.leave(self._level, self._flow)


class Turns:
    """Of one server."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._spent_s = 0.0
        self._longest_s = QUANTUM_S
        self._contended: dict[Level, None] = {}
        self._served_s = 0.0
        self._latest = ""
        self._changed_at = self.clock()
        self._is_due = False

    async def enter(self, level: Level, name: str) -> Seat:
        """Wait for a seat and a turn in the flow of that name; in a level without queues for a turn alone. Raises Refused."""
        flow = level.flow(name)
        if name != self._latest:
            self._latest, self._changed_at = name, self.clock()
        is_next = self._goes_ahead(level, flow) if self._contended else self._spent_s < QUANTUM_S
        if is_next and level.has_seat(flow):
            self._take(level, flow)
            self._await_turn_end()
            return Seat(self, level, flow)
        if not level.settings.queues:
            return await self._enter_seated(level, flow)
        if not level.has_room(flow):
            raise Refused(QUEUE_FULL)
        await self._wait(level, flow, _Waiter())
        return Seat(self, level, flow)

    def _goes_ahead(self, level: Level, flow: Flow) -> bool:
        """Whether it would be chosen before all who wait: it would lose a turn of the loop by waiting for its own."""
        if self._spent_s >= 2 * QUANTUM_S or not level.is_next(flow):
            return False
        used_s = max(level.virtual_s, self._served_s) if level.is_idle else level.virtual_s
        return all(used_s <= other.virtual_s for other in self._contended)

    async def _enter_seated(self, level: Level, flow: Flow) -> Seat:
        """No more wait than there are seats."""
        if not level.has_seat(flow):
            raise Refused(CONCURRENCY)
        self._take(level, flow)
        seat = Seat(self, level, flow)
        try:
            await self._wait(level, flow, _Waiter(is_seated=True))
        except BaseException:
            seat.release()
            raise
        return seat

    async def again(self, level: Level, flow: Flow) -> None:
        if not self._contended:
            # The loop has to look at its sockets for anybody to be there.
            await asyncio.sleep(0)
        if self._contended:
            await self._go_on_in_turn(level, flow)

    async def rejoin(self, level: Level, flow: Flow) -> None:
        if self._contended and not self._is_alone():
            await self._go_on_in_turn(level, flow)

    async def _go_on_in_turn(self, level: Level, flow: Flow) -> None:
        """What is half done goes on before what its flow has not begun."""
        await self._wait(level, flow, _Waiter(is_seated=True), ahead=True)

    def _is_alone(self) -> bool:
        """Whether one flow has been the only one for a while."""
        return self.clock() - self._changed_at > ALONE_AFTER_S

    def leave(self, level: Level, flow: Flow) -> None:
        level.give(flow)
        if self._contended:
            self._await_turn_end()

    def spend(self, seconds: float) -> None:
        """Of this turn of the loop."""
        self._spent_s += seconds
        self._longest_s = max(seconds, self._longest_s * (1 - _FORGOTTEN))
        self._await_turn_end()

    def _take(self, level: Level, flow: Flow) -> None:
        if level.is_idle:
            level.virtual_s = max(level.virtual_s, self._served_s)
        level.take(flow)
        self._served_s = max(self._served_s, level.virtual_s)

    async def _wait(self, level: Level, flow: Flow, waiter: _Waiter, *, ahead: bool = False) -> None:
        if level.is_idle:
            level.virtual_s = max(level.virtual_s, self._served_s)
        level.queue(flow, waiter, ahead=ahead)
        self._contended[level] = None
        self._await_turn_end()
        try:
            if waiter.is_seated:
                await waiter.turn
            else:
                await self._first_turn(waiter)
        except BaseException:
            self._withdraw(level, flow, waiter)
            raise

    async def _first_turn(self, waiter: _Waiter) -> None:
        try:
            async with asyncio.timeout(LONGEST_WAIT_S) as timeout:
                await waiter.turn
        except TimeoutError as error:
            if not timeout.expired():
                raise
            raise Refused(TIME_OUT) from error

    def _withdraw(self, level: Level, flow: Flow, waiter: _Waiter) -> None:
        """Of a request that ends while it waits, or just when its turn has come."""
        if waiter.is_queued:
            self._dequeue(level, flow, waiter)
            level.rest(flow)
        elif not waiter.is_seated and not waiter.turn.cancelled():
            self.leave(level, flow)

    def _dequeue(self, level: Level, flow: Flow, waiter: _Waiter) -> None:
        waiter.is_queued = False
        level.dequeue(flow, waiter)
        if not level.waiting:
            del self._contended[level]

    def _await_turn_end(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn_over)

    def _turn_over(self) -> None:
        """Once in each turn of the loop while there is work: behind what ran in it, so that nothing else runs with what is chosen.

        As many are chosen as take a quantum together when they are as long as the longest of late: one by one, the loop's own turns would
        cost more than short requests do. While several flows are served it is a shorter one: a request goes through several turns of the
        loop, and waits in each for what else runs there.
        """
        self._is_due = False
        self._spent_s = expected_s = 0.0
        most_s = _ALONE_S if self._contended and self._is_alone() else _SHARED_S
        while expected_s < most_s and (found := self._next()) is not None:
            level, flow = found
            waiter = flow.waiting[0]
            self._dequeue(level, flow, waiter)
            if waiter.turn.cancelled():
                level.rest(flow)
                continue
            if waiter.is_seated:
                level.serve(flow)
            else:
                self._take(level, flow)
            waiter.turn.set_result(None)
            expected_s += max(LEAST_S, self._longest_s)
            self._await_turn_end()

    def _next(self) -> tuple[Level, Flow] | None:
        found: tuple[Level, Flow] | None = None
        for level in self._contended:
            if found is None or level.virtual_s <= found[0].virtual_s:
                flow = level.next()
                found = found if flow is None else (level, flow)
        return found
