import asyncio
import threading
from collections.abc import Callable

import pytest

from pilothouse.aio.beside import Beside, charge, holder


async def test_small_work_is_done_before_anybody_else_has_a_turn() -> None:
    order: list[str] = []
    other = asyncio.ensure_future(_note(order))
    await Beside(1).run(lambda: order.append("work"), is_large=False)
    await other
    assert order == ["work", "other"]


async def _note(order: list[str]) -> None:
    order.append("other")


async def test_large_work_is_done_in_another_thread_and_fails_as_it_does() -> None:
    beside = Beside(1)
    assert await beside.run(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await beside.run(lambda: 1 // 0)
    assert beside.running == 0


async def test_work_that_nobody_waits_for_keeps_its_place_to_its_end() -> None:
    beside, go_on = Beside(1), threading.Event()
    first = asyncio.ensure_future(beside.run(go_on.wait))
    while not beside.running:
        await asyncio.sleep(0)
    first.cancel()
    second = asyncio.ensure_future(beside.run(lambda: "second"))
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (beside.running, second.done()) == (1, False)
    go_on.set()
    assert await second == "second"


async def test_who_awaits_the_work_pays_for_the_time_of_its_thread() -> None:
    paid: list[float] = []
    token = charge.set(paid.append)
    await Beside(1).run(lambda: sum(range(300_000)))
    charge.reset(token)
    await Beside(1).run(lambda: sum(range(300_000)))
    assert len(paid) == 1
    assert paid[0] > 0


async def on_behalf_of(name: str, beside: Beside, order: list[str], wait: threading.Event) -> None:
    token = holder.set(name)
    await beside.run(lambda: order.append(name) or wait.wait())
    holder.reset(token)


async def test_nobody_has_all_threads() -> None:
    beside, order, go_on = Beside(2), list[str](), threading.Event()
    works = [asyncio.ensure_future(on_behalf_of("much", beside, order, go_on)) for _ in range(5)]
    await until(lambda: order == ["much"])
    other = asyncio.ensure_future(on_behalf_of("little", beside, order, go_on))
    await until(lambda: order == ["much", "little"])
    go_on.set()
    await asyncio.gather(*works, other)
    assert beside.running == 0


async def test_those_who_wait_have_turns() -> None:
    beside, order, go_on = Beside(1), list[str](), threading.Event()
    works = [asyncio.ensure_future(on_behalf_of("much", beside, order, go_on)) for _ in range(3)]
    await until(lambda: order == ["much"])
    works += [asyncio.ensure_future(on_behalf_of(name, beside, order, go_on)) for name in ("a", "b", "b")]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*works)
    assert order == ["much", "much", "a", "b", "much", "b"]


async def test_who_gives_up_while_waiting_leaves_their_place() -> None:
    beside, order, go_on = Beside(1), list[str](), threading.Event()
    first, second, third = (asyncio.ensure_future(on_behalf_of(name, beside, order, go_on)) for name in "abc")
    await until(lambda: order == ["a"])
    second.cancel()
    await asyncio.wait([second])
    go_on.set()
    await asyncio.gather(first, third)
    assert (order, beside.running) == (["a", "c"], 0)
    await on_behalf_of("d", beside, order, go_on)


async def test_who_gives_up_just_when_their_turn_has_come_hands_it_on() -> None:
    beside, order, go_on = Beside(1), list[str](), threading.Event()
    first, second, third = (asyncio.ensure_future(on_behalf_of(name, beside, order, go_on)) for name in "abc")
    await until(lambda: order == ["a"])
    begin = beside._begin_next

    def and_cancel() -> None:
        begin()
        second.cancel()

    beside._begin_next = and_cancel  # type: ignore[method-assign]
    go_on.set()
    await asyncio.wait([second])
    await asyncio.gather(first, third)
    assert (order, beside.running) == (["a", "c"], 0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.001)
