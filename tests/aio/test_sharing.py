"""Work that several wait for goes on as long as one of them does."""

import asyncio

import pytest

from pilothouse.aio.sharing import Abandoned, Shared


async def test_who_waits_still_gets_the_result_when_the_first_is_cancelled() -> None:
    released = asyncio.Event()

    async def work() -> str:
        await released.wait()
        return "done"

    shared = Shared(work())
    first, second = (asyncio.ensure_future(shared.result()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    released.set()
    assert await second == "done"


async def test_work_that_nobody_waits_for_any_more_ends() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await Shared(work()).result()
    assert ended.is_set()


async def test_each_who_waits_is_told_of_a_failure() -> None:
    async def work() -> None:
        raise ValueError("broken")

    shared = Shared(work())
    failures = await asyncio.gather(shared.result(), shared.result(), return_exceptions=True)
    assert [str(failure) for failure in failures] == ["broken", "broken"]


async def test_who_comes_after_the_last_has_left_is_told_so_and_not_cancelled() -> None:
    leaving = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await leaving.wait()

    shared = Shared(work())
    first = asyncio.ensure_future(shared.result())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    with pytest.raises(Abandoned):
        await shared.result()
    leaving.set()
    await asyncio.wait([first])
    with pytest.raises(Abandoned):
        await shared.result()
