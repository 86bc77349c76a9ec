"""Tasks have owners, and owners can stop them."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from pilothouse.aio.tasks import NotReady, TaskSet, each, first_of, running, scope, within


async def forever(ready: asyncio.Event | None = None) -> None:
    if ready is not None:
        ready.set()
    await asyncio.Event().wait()


async def test_scope_cancelled_from_inside_ends_its_tasks_and_its_block_quietly() -> None:
    reached = False
    async with scope() as tasks:
        task = tasks.spawn(forever())
        tasks.cancel()
        tasks.cancel()
        await asyncio.Event().wait()
        reached = True
    assert task.cancelled()
    assert not reached


async def test_scope_may_be_cancelled_by_one_of_its_tasks() -> None:
    async with scope() as tasks:

        async def stopper() -> None:
            tasks.cancel()

        tasks.spawn(forever())
        tasks.spawn(stopper())


async def test_failure_in_a_scope_cancels_the_others_and_is_raised() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with scope() as tasks:
            other = tasks.spawn(forever())
            tasks.spawn(fail())
    assert caught.group_contains(ZeroDivisionError)
    assert other.cancelled()


async def test_failure_is_raised_though_the_scope_is_cancelled_as_well() -> None:
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with scope() as tasks:
            tasks.cancel()
            raise ZeroDivisionError
    assert caught.group_contains(ZeroDivisionError)


async def test_cancellation_from_outside_goes_through_a_scope_that_is_cancelled_inside() -> None:
    inside = asyncio.Event()

    async def body() -> None:
        async with scope() as tasks:
            tasks.cancel()
            inside.set()
            await forever()

    task = asyncio.ensure_future(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_scope_can_be_used_again_after_a_cancelled_one() -> None:
    for _ in range(2):
        async with scope() as tasks:
            tasks.spawn(forever())
            tasks.cancel()
    await asyncio.sleep(0)


async def test_start_returns_when_the_component_is_ready() -> None:
    order = []

    async def component(ready: asyncio.Event) -> None:
        await asyncio.sleep(0)
        order.append("ready")
        await forever(ready)

    async with scope() as tasks:
        await tasks.start(component)
        order.append("started")
        tasks.cancel()
    assert order == ["ready", "started"]


async def test_component_that_ends_before_it_is_ready_is_an_error() -> None:
    async def component(ready: asyncio.Event) -> None:
        return

    with pytest.raises(ExceptionGroup) as caught:
        async with scope() as tasks:
            await tasks.start(component, name="store")
    assert caught.group_contains(NotReady, match="store ended before it was ready")


async def test_component_that_is_never_ready_is_an_error_in_time() -> None:
    async def component(ready: asyncio.Event) -> None:
        await forever()

    with pytest.raises(ExceptionGroup) as caught:
        async with scope() as tasks:
            await tasks.start(component, name="store", deadline_s=0.01)
    assert caught.group_contains(NotReady, match=r"store was not ready after 0\.01 s")


async def test_component_that_fails_before_it_is_ready_says_why() -> None:
    async def component(ready: asyncio.Event) -> None:
        raise OSError("port 80 is taken")

    with pytest.raises(ExceptionGroup) as caught:
        async with running(component):
            pytest.fail("entered without being ready")
    assert caught.group_contains(OSError, match="port 80 is taken")
    assert not caught.group_contains(NotReady)


async def test_running_components_stop_in_reverse_order() -> None:
    order: list[str] = []

    def component(name: str):  # type: ignore[no-untyped-def]
        async def run(ready: asyncio.Event) -> None:
            order.append(f"+{name}")
            try:
                await forever(ready)
            finally:
                order.append(f"-{name}")

        return run

    async with AsyncExitStack() as stack:
        for name in "abc":
            await stack.enter_async_context(running(component(name)))
    assert order == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_component_that_fails_later_ends_the_block() -> None:
    fail = asyncio.Event()

    async def component(ready: asyncio.Event) -> None:
        ready.set()
        await fail.wait()
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012
        async with running(component):
            fail.set()
            await forever()
    assert caught.group_contains(ZeroDivisionError)


async def test_block_that_fails_raises_its_error_after_the_component_has_stopped() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with running(forever) as task:
            raise KeyError("mine")
    assert caught.group_contains(KeyError, match="mine")
    assert task.cancelled()


async def test_first_of_returns_the_first_result_and_cancels_the_rest() -> None:
    cancelled = False

    async def slow() -> int:
        nonlocal cancelled
        try:
            await forever()
        finally:
            cancelled = True
        return 1

    async def quick() -> int:
        await asyncio.sleep(0)
        return 2

    assert await first_of(slow(), quick()) == 2
    assert cancelled


async def test_each_keeps_its_order_and_its_limit() -> None:
    running_now = most = 0

    async def work(number: int) -> int:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await asyncio.sleep(0)
        running_now -= 1
        return number

    assert await each([work(number) for number in range(10)], limit=3) == list(range(10))
    assert most == 3


async def test_each_stops_at_the_first_failure() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await each([fail(), forever(), forever()], limit=2)
    assert caught.group_contains(ZeroDivisionError)


async def test_task_set_lets_tasks_finish_within_the_grace_and_cancels_the_rest() -> None:
    tasks = TaskSet()
    quick, slow = tasks.start(asyncio.sleep(0.01)), tasks.start(forever())
    await tasks.close(0.05)
    assert (quick.cancelled(), slow.cancelled(), len(tasks)) == (False, True, 0)


async def test_task_set_reports_failures_to_the_loop() -> None:
    reports: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))

    async def fail() -> None:
        raise ZeroDivisionError

    tasks = TaskSet()
    tasks.start(fail())
    await tasks.close(1)
    assert [type(report["exception"]) for report in reports] == [ZeroDivisionError]


async def test_within_says_what_took_too_long() -> None:
    with pytest.raises(TimeoutError, match=r"the pull took longer than 0\.01 s"):
        await within(0.01, forever(), "the pull")
    assert await within(1, asyncio.sleep(0, "value"), "nothing") == "value"
