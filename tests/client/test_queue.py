import asyncio

import pytest

from pilothouse.client.queue import WorkQueue

pytestmark = pytest.mark.looptime


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_key_added_twice_comes_once() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.add("a")
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_added_while_in_work_comes_again_after_it() -> None:
    queue = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add(key)
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_a_key_that_is_done_does_not_come_again_by_itself() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.done(await queue.get())
    assert queue.idle


async def test_each_waiting_worker_gets_a_key() -> None:
    queue = WorkQueue()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(queue.get()) for _ in range(3)]
        await asyncio.sleep(0)
        for key in "abc":
            queue.add(key)
    assert [task.result() for task in waiting] == ["a", "b", "c"]


async def test_a_cancelled_worker_loses_no_key() -> None:
    queue = WorkQueue()
    async with asyncio.TaskGroup() as group:
        first, second = group.create_task(queue.get()), group.create_task(queue.get())
        await asyncio.sleep(0)
        queue.add("a")
        first.cancel()
    assert second.result() == "a"


async def test_a_delayed_key_comes_when_it_is_due() -> None:
    queue = WorkQueue()
    began = now()
    queue.add_after("late", 60)
    queue.add_after("early", 5)
    assert await queue.get() == "early"
    assert now() - began == pytest.approx(5, abs=0.01)
    assert await queue.get() == "late"
    assert now() - began == pytest.approx(60, abs=0.01)


async def test_of_two_delays_for_a_key_the_earlier_counts() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 5)
    queue.add_after("b", 90)
    began = now()
    queue.done(await queue.get())
    assert now() - began == pytest.approx(5, abs=0.01)
    assert await queue.get() == "b"


async def test_back_off_doubles_up_to_its_most() -> None:
    queue = WorkQueue(first_delay_s=1, max_delay_s=10)
    delays = [queue.add_backoff("a") for _ in range(6)]
    assert [int(delay) for delay in delays] in ([1, 2, 4, 8, 10, 10], [1, 2, 4, 8, 10, 11], [1, 2, 4, 8, 11, 10], [1, 2, 4, 8, 11, 11])


async def test_a_forgotten_key_starts_its_back_off_anew() -> None:
    queue = WorkQueue(first_delay_s=1)
    for _ in range(5):
        queue.add_backoff("a")
    assert queue.failures("a") == 5
    queue.forget("a")
    assert queue.add_backoff("a") < 2


async def test_a_thousand_failures_do_not_overflow() -> None:
    queue = WorkQueue(max_delay_s=10)
    assert max(queue.add_backoff("a") for _ in range(2000)) <= 11


async def rounds(queue: WorkQueue, seconds: float, delay_s: float) -> int:
    """How often a key comes when each of its rounds asks for the next one after a delay."""
    end, count = now() + seconds, 0
    queue.add("a")
    while now() < end:
        key = await queue.get()
        count += 1
        queue.add_after(key, delay_s)
        queue.done(key)
    return count


@pytest.mark.parametrize("delay_s", [0, -0.0, -3600, 1e-9, float("nan"), float("-inf")])
async def test_a_delay_that_is_none_costs_no_more_than_a_round_every_two_seconds(delay_s: float) -> None:
    assert await rounds(WorkQueue(), 600, delay_s) <= 30 + 600 / 2 + 2


async def test_a_key_that_only_looks_again_now_and_then_is_not_slowed_down() -> None:
    assert await rounds(WorkQueue(), 600, 5) == 121


async def test_a_key_that_is_slowed_down_comes_at_once_when_its_object_changes() -> None:
    queue = WorkQueue()
    await rounds(queue, 60, 0)
    queue.add("a")
    began = now()
    await queue.get()
    assert now() - began < 0.001


async def test_a_key_whose_own_rounds_change_its_object_is_slowed_down_too() -> None:
    queue, slowed = WorkQueue(), []
    queue.on_slowed = lambda key, pause_s: slowed.append(key)
    queue.add("a")
    end, count = now() + 100, 0
    while now() < end:
        key = await queue.get()
        count += 1
        queue.add(key)
        queue.done(key)
    assert count <= 200 + 100 / 0.1 + 1
    assert slowed == ["a"]


async def test_a_slowed_key_holds_up_no_other() -> None:
    queue = WorkQueue()
    await rounds(queue, 60, 0)
    queue.add("b")
    began = now()
    assert await queue.get() == "b"
    assert now() - began < 0.001


async def test_a_reconciler_that_never_awaits_lets_others_run_between_its_rounds() -> None:
    queue, turns = WorkQueue(), 0
    for number in range(100):
        queue.add(str(number))

    async def bystander() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.ensure_future(bystander())
    for _ in range(100):
        queue.done(await queue.get())
    other.cancel()
    assert turns >= 100


async def test_a_key_that_is_put_off_again_and_again_leaves_nothing_behind() -> None:
    queue = WorkQueue()
    for number in range(10_000):
        queue.add_after("a", 20_000 - number)
    assert len(queue._due) < 300
