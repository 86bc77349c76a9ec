"""Work that goes on to its end whatever becomes of those who wait for it."""

import asyncio
import contextvars

import pytest

from pilothouse.aio.completion import completed


async def test_completed_work_begins_at_once_and_ends_though_nobody_waits() -> None:
    begun: list[str] = []
    gate = asyncio.Event()

    async def work() -> str:
        begun.append("begun")
        await gate.wait()
        begun.append("ended")
        return "done"

    waiting = asyncio.ensure_future(completed(work()))
    await asyncio.sleep(0)
    assert begun == ["begun"]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.set()
    await asyncio.sleep(0.01)
    assert begun == ["begun", "ended"]


async def test_completed_work_without_an_await_is_its_result_and_a_failure_is_raised() -> None:
    async def work(fails: bool) -> str:
        if fails:
            raise ValueError("no")
        return "done"

    assert await completed(work(False)) == "done"
    with pytest.raises(ValueError, match="no"):
        await completed(work(True))


async def test_what_completed_work_awaits_may_fail_and_is_dealt_with_in_the_work() -> None:
    async def work(awaited: "asyncio.Future[None]") -> str:
        try:
            await awaited
        except OSError:
            await asyncio.sleep(0)
            return "dealt with"
        return "no failure"

    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.ensure_future(completed(work(awaited)))
    await asyncio.sleep(0)
    awaited.set_exception(OSError())
    assert await waiting == "dealt with"


async def waiting_for(awaited: "asyncio.Future[None]", seen: list[str]) -> None:
    try:
        await awaited
        seen.append("ended")
    except BaseException as error:
        seen.append(type(error).__name__)
        raise


async def test_who_waits_goes_on_in_the_turn_of_the_loop_after_the_end() -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []
    waiting = asyncio.ensure_future(completed(waiting_for(awaited, seen)))
    await asyncio.sleep(0)
    awaited.set_result(None)
    await asyncio.sleep(0)
    assert seen == ["ended"]
    await waiting


async def test_a_cancellation_of_what_is_awaited_is_seen_by_the_work() -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []
    waiting = asyncio.ensure_future(completed(waiting_for(awaited, seen)))
    await asyncio.sleep(0)
    awaited.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert seen == ["CancelledError"]


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_cancellation_just_after_the_end_loses_nothing(turns: int) -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []
    waiting = asyncio.ensure_future(completed(waiting_for(awaited, seen)))
    await asyncio.sleep(0)
    awaited.set_result(None)
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert seen == ["ended"]


async def test_who_has_gone_learns_of_no_failure() -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []
    waiting = asyncio.ensure_future(completed(waiting_for(awaited, seen)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    awaited.set_exception(OSError())
    await asyncio.sleep(0.001)
    assert seen == ["OSError"]


async def test_a_deadline_ends_the_waiting_and_not_the_work() -> None:
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    seen: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await completed(waiting_for(awaited, seen))
    awaited.set_result(None)
    await asyncio.sleep(0.001)
    assert seen == ["ended"]


async def test_work_goes_on_in_the_context_it_was_begun_in() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="")
    awaited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def named() -> str:
        await awaited
        return name.get()

    async def ask() -> str:
        name.set("request")
        return await completed(named())

    waiting = asyncio.ensure_future(ask())
    await asyncio.sleep(0)
    awaited.set_result(None)
    assert await waiting == "request"
