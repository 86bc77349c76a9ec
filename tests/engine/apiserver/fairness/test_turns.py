"""Who goes on next while more is asked than can be done at once."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from pilothouse.engine.apiserver.fairness.configuration import PriorityLevel
from pilothouse.engine.apiserver.fairness.levels import Level, Pool, share_out
from pilothouse.engine.apiserver.fairness.turns import ALONE_AFTER_S, LONGEST_WAIT_S, Refused, Seat, Turns


class Work:
    """Requests of one server. The clock moves only by what `hold` says that a request holds the loop."""

    def __init__(self, *levels: PriorityLevel, seats: int = 16) -> None:
        self.turns = Turns(clock=lambda: 0.0)
        pool = Pool()
        self.levels = {level.name: Level(level, pool) for level in levels}
        share_out(self.levels.values(), pool, seats)
        self.order: list[str] = []

    async def ask(self, level: str, flow: str, *, hold_s: float = 0.001, slices: int = 1, then: asyncio.Event | None = None) -> None:
        seat = await self.turns.enter(self.levels[level], flow)
        try:
            self.order.append(flow)
            seat.charge(hold_s)
            for _ in range(slices - 1):
                await seat.turn()
                self.order.append(flow)
                seat.charge(hold_s)
            if then is not None:
                await then.wait()
        finally:
            seat.release()

    def start(self, count: int, make: Callable[[], Coroutine[Any, Any, None]]) -> list["asyncio.Task[None]"]:
        return [asyncio.ensure_future(make()) for _ in range(count)]


def queued(name: str, shares: int = 10, **changes: Any) -> PriorityLevel:
    return PriorityLevel(name, shares=shares, **({"queues": 8, "hand_size": 4, "queue_length": 50} | changes))


async def test_one_request_waits_for_no_flood_of_another_flow() -> None:
    work = Work(queued("users"))
    flood = work.start(64, lambda: work.ask("users", "flood"))
    await asyncio.sleep(0)
    await work.ask("users", "other")
    assert len(work.order) <= 4
    await asyncio.gather(*flood)


async def test_requests_that_nobody_waits_behind_go_on_at_once() -> None:
    work = Work(queued("users"))
    request = work.ask("users", "alone", hold_s=0.00001)
    with pytest.raises(StopIteration):
        request.send(None)


async def test_flows_get_the_same_time_and_not_the_same_number_of_turns() -> None:
    work = Work(queued("users"))
    heavy = work.start(50, lambda: work.ask("users", "heavy", hold_s=0.010))
    light = work.start(50, lambda: work.ask("users", "light", hold_s=0.001))
    await asyncio.gather(*light)
    assert work.order.count("heavy") <= 8
    await asyncio.gather(*heavy)


async def test_long_work_is_interrupted_between_its_slices() -> None:
    work = Work(queued("users"))
    long = work.start(1, lambda: work.ask("users", "long", slices=20))
    await asyncio.sleep(0)
    await work.ask("users", "other")
    assert work.order.index("other") <= 3
    await asyncio.gather(*long)


async def test_long_work_lets_the_loop_go_even_when_nobody_waits() -> None:
    work, passed = Work(queued("users")), 0
    long = work.start(1, lambda: work.ask("users", "long", slices=20, hold_s=0.0))[0]
    while not long.done():
        await asyncio.sleep(0)
        passed += 1
    assert passed >= 20


async def test_a_flow_that_was_at_rest_has_saved_nothing_up() -> None:
    work = Work(queued("users"))
    await work.ask("users", "early")
    await asyncio.gather(*work.start(20, lambda: work.ask("users", "busy")))
    work.order.clear()
    busy, early = work.start(20, lambda: work.ask("users", "busy")), work.start(20, lambda: work.ask("users", "early"))
    await asyncio.gather(*early)
    assert 15 <= work.order.count("busy") <= 20
    await asyncio.gather(*busy)


async def test_levels_share_turns_by_their_shares() -> None:
    work = Work(queued("high", 30), queued("low", 10))
    low, high = work.start(40, lambda: work.ask("low", "low")), work.start(40, lambda: work.ask("high", "high"))
    await asyncio.gather(*high)
    assert 10 <= work.order.count("low") <= 18
    await asyncio.gather(*low)


async def test_a_flood_leaves_seats_to_others_of_its_level_and_of_other_levels() -> None:
    work, never = Work(queued("users", lendable_percent=50), queued("system", lendable_percent=50)), asyncio.Event()
    flood = work.start(64, lambda: work.ask("users", "flood", then=never))
    await until(lambda: work.levels["users"].seats > 1 and not work.turns._is_due)
    assert work.levels["users"].seats < work.levels["users"].most
    async with asyncio.timeout(5):
        await asyncio.gather(work.ask("users", "other"), work.ask("system", "node"))
    never.set()
    await asyncio.gather(*flood)


async def test_several_floods_together_leave_a_seat_to_who_has_none() -> None:
    """What holds the seats may wait for just that one: a webhook's server that asks for something."""
    work, never = Work(queued("users", lendable_percent=90), queued("others", lendable_percent=50)), asyncio.Event()
    floods = []
    for flow in "abc":
        floods += work.start(16, partial(work.ask, "users", flow, then=never))
        await settled(work)
    async with asyncio.timeout(5):
        await work.ask("users", "webhook")
    never.set()
    await asyncio.gather(*floods)


async def test_a_flow_leaves_a_seat_while_another_level_has_all_that_is_lent() -> None:
    work, never = Work(queued("users", lendable_percent=50), queued("others", lendable_percent=50)), asyncio.Event()
    floods = []
    for flow in "abcdefgh":
        floods += work.start(16, partial(work.ask, "others", flow, then=never))
        await settled(work)
    floods += work.start(16, lambda: work.ask("users", "flood", then=never))
    await settled(work)
    async with asyncio.timeout(5):
        await work.ask("users", "other")
    never.set()
    await asyncio.gather(*floods)


async def test_a_full_queue_is_refused_in_upstreams_words() -> None:
    work, never = Work(queued("users", queues=2, hand_size=1, queue_length=3), seats=2), asyncio.Event()
    flood = work.start(10, lambda: work.ask("users", "flood", then=never))
    await until(lambda: sum(task.done() for task in flood) >= 5)
    refused = next(task.exception() for task in flood if task.done())
    assert isinstance(refused, Refused)
    assert (refused.code, refused.reason, refused.why, refused.retry_after_s) == (429, "TooManyRequests", "queue-full", 1)
    assert refused.message == "Too many requests, please try again later."
    never.set()
    await asyncio.gather(*flood, return_exceptions=True)


async def test_a_level_without_queues_refuses_what_finds_no_seat() -> None:
    work, never = Work(PriorityLevel("strict", shares=1), seats=1), asyncio.Event()
    first = work.start(1, lambda: work.ask("strict", "a", then=never))
    await until(lambda: bool(work.order))
    with pytest.raises(Refused) as refused:
        await work.ask("strict", "b")
    assert refused.value.why == "concurrency-limit"
    never.set()
    await asyncio.gather(*first)


async def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LONGEST_WAIT_S == 15
    monkeypatch.setattr("pilothouse.engine.apiserver.fairness.turns.LONGEST_WAIT_S", 0.01)
    work, never = Work(queued("users"), seats=1), asyncio.Event()
    first = work.start(1, lambda: work.ask("users", "a", then=never))
    await until(lambda: bool(work.order))
    with pytest.raises(Refused) as refused:
        await work.ask("users", "b")
    assert refused.value.why == "time-out"
    never.set()
    await asyncio.gather(*first)


async def test_requests_that_give_up_while_they_wait_leave_nothing_behind() -> None:
    work = Work(queued("users"))
    for turns in range(6):
        flood = work.start(20, lambda: work.ask("users", "flood", slices=3))
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
    level = work.levels["users"]
    assert (level.seats, level.waiting, level.pool.used, level._flows) == (0, 0, 0, {})
    await work.ask("users", "other")


async def test_a_seat_is_given_back_once() -> None:
    work = Work(queued("users"))
    seat: Seat = await work.turns.enter(work.levels["users"], "a")
    seat.release()
    seat.release()
    assert work.levels["users"].seats == 0


async def settled(work: Work) -> None:
    """Returns once nobody gets a turn any more."""
    await asyncio.sleep(0)
    await until(lambda: not work.turns._is_due)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


async def test_who_has_used_threads_waits_behind_who_has_not() -> None:
    work = Work(queued("users"))
    seat = await work.turns.enter(work.levels["users"], "heavy")
    other = await work.turns.enter(work.levels["users"], "light")
    seat.charge_beside(1.0)
    asked = [*work.start(3, lambda: work.ask("users", "heavy")), *work.start(3, lambda: work.ask("users", "light"))]
    await asyncio.sleep(0)
    seat.release()
    other.release()
    await asyncio.gather(*asked)
    assert work.order[-2:] == ["heavy", "heavy"]


async def test_no_more_wait_in_a_level_without_queues_than_it_has_seats() -> None:
    work, never = Work(PriorityLevel("strict", shares=10), queued("users"), seats=16), asyncio.Event()
    busy = work.start(8, lambda: work.ask("users", "busy", slices=5))
    await asyncio.sleep(0)
    flood = work.start(100, lambda: work.ask("strict", "flood", then=never))
    await asyncio.sleep(0)
    strict = work.levels["strict"]
    assert strict.waiting <= strict.most
    refused = [task.exception() for task in flood if task.done()]
    assert len(refused) == 100 - strict.most
    assert {each.why for each in refused if isinstance(each, Refused)} == {"concurrency-limit"}
    never.set()
    await asyncio.gather(*busy, *flood, return_exceptions=True)
    assert strict.is_idle


async def test_a_request_that_leaves_a_level_without_queues_before_its_turn_gives_its_seat_back() -> None:
    work = Work(PriorityLevel("strict", shares=10), queued("users"))
    busy = work.start(4, lambda: work.ask("users", "busy", slices=3))
    await asyncio.sleep(0)
    (waiting,) = work.start(1, lambda: work.ask("strict", "a"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(*busy, waiting, return_exceptions=True)
    assert work.levels["strict"].is_idle


async def test_work_in_tasks_of_its_own_is_charged_to_the_request() -> None:
    now = 0.0
    turns, level = Turns(clock=lambda: now), Level(queued("users"), Pool())
    share_out([level], level.pool, 16)
    seat = await turns.enter(level, "parent")

    async def child() -> None:
        nonlocal now
        now += 1.0
        await asyncio.sleep(0)
        now += 1.0

    await asyncio.gather(*(seat.charged(child()) for _ in range(3)))
    assert level.flow("parent").virtual_s >= 6.0


async def test_less_of_a_flood_goes_on_at_once_while_others_are_served_too() -> None:
    """A request goes through several turns of the loop: each is as long as what else runs in it."""
    work, now = Work(queued("users")), 0.0
    work.turns.clock = lambda: now
    await work.ask("users", "other", hold_s=0.0002)
    flood = work.start(60, lambda: work.ask("users", "flood", hold_s=0.0002))
    await asyncio.sleep(0)
    assert await steps_in(work, turns=10) <= 10
    now = ALONE_AFTER_S + 0.1
    assert await steps_in(work, turns=10) > 15, "alone again, as many go on as fit into a quantum"
    await asyncio.gather(*flood)


async def steps_in(work: Work, *, turns: int) -> int:
    before = len(work.order)
    for _ in range(turns):
        await asyncio.sleep(0)
    return len(work.order) - before


async def test_who_has_used_least_goes_on_at_once_though_others_wait() -> None:
    work = Work(queued("users"), queued("others"))
    flood = work.start(20, lambda: work.ask("users", "flood", slices=3, hold_s=0.0003))
    await asyncio.sleep(0)
    for level in ("users", "others"):
        with pytest.raises(StopIteration):
            work.ask(level, "newcomer", hold_s=0.0001).send(None)
    await asyncio.gather(*flood)


async def test_requests_that_the_same_commit_answers_go_on_one_after_another() -> None:
    work, done, order = Work(queued("users")), asyncio.Event(), list[str]()

    async def write(flow: str) -> None:
        seat = await work.turns.enter(work.levels["users"], flow)
        await done.wait()
        await seat.rejoin()
        order.append(flow)
        seat.charge(0.001)
        seat.release()

    writes = [asyncio.ensure_future(write("flood")) for _ in range(4)] + [asyncio.ensure_future(write("other"))]
    await until(lambda: work.levels["users"].seats == 5)
    busy = work.start(8, lambda: work.ask("users", "flood", slices=2))
    await asyncio.sleep(0)
    done.set()
    await asyncio.gather(*writes, *busy)
    assert order.index("other") <= 1
