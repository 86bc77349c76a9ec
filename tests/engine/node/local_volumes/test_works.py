"""Work that goes on though nobody waits for it."""

import asyncio

import pytest

from pilothouse.engine.node.local_volumes import works
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.works import Works
from tests.engine.node.local_volumes.conftest import WAIT_S


async def test_who_asks_for_what_takes_long_is_answered_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few slow copies would hold all workers of the control plane, and with them everybody's volumes."""
    monkeypatch.setattr(works, "WAIT_S", WAIT_S)
    going, released = Works[str](), asyncio.Event()

    async def slow(progress: Progress) -> str:
        await released.wait()
        return "done"

    async with asyncio.timeout(5):
        assert isinstance(await going.result("copy", slow), Progress)
    released.set()
    assert await going.result("copy", slow) == "done"
    await going.close()


async def test_work_that_one_has_begun_anew_is_not_forgotten_by_another_who_waited_for_what_it_was() -> None:
    going, released, begun = Works[str](), asyncio.Event(), []

    async def work(progress: Progress) -> str:
        begun.append(progress)
        await released.wait()
        if len(begun) == 1:
            raise OSError("the disk is full")
        return "done"

    async def first() -> str | Progress:
        with pytest.raises(OSError, match="the disk is full"):
            await going.result("copy", work)
        released.clear()
        return await going.result("copy", work)

    async def second() -> None:
        with pytest.raises(OSError, match="the disk is full"):
            await going.result("copy", work)

    trying, waiting = asyncio.ensure_future(first()), asyncio.ensure_future(second())
    await asyncio.sleep(0.01)
    released.set()
    await waiting
    assert going.goes_on("copy")
    released.set()
    assert await trying == "done"
    assert len(begun) == 2
    await going.close()
