"""Keys that are noted are mended; one that cannot be is tried again by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler

pytestmark = pytest.mark.looptime


class Mending:
    """attempts: at each key, by the time of the event loop. broken: keys that cannot be mended."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.attempts: dict[str, list[float]] = {}
        self.queue = Reconciler("test", self.mend)

    async def mend(self, key: str) -> None:
        self.attempts.setdefault(key, []).append(asyncio.get_running_loop().time())
        if key in self.broken:
            raise ValueError("broken")


@asynccontextmanager
async def running(mending: Mending) -> AsyncIterator[None]:
    task = asyncio.ensure_future(mending.queue.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_a_key_that_cannot_be_mended_holds_up_no_other() -> None:
    mending, loop = Mending("bad"), asyncio.get_running_loop()
    async with running(mending):
        mending.queue.note("bad")
        await asyncio.sleep(100)
        for _ in range(10):
            mending.queue.note("good")
            noted_at = loop.time()
            await mending.queue.caught_up("good")
            assert loop.time() - noted_at < 0.1
            await asyncio.sleep(1)


async def test_it_is_tried_again_after_pauses_that_grow_to_a_minute() -> None:
    mending = Mending("bad")
    async with running(mending):
        mending.queue.note("bad")
        await asyncio.sleep(400)
    found = mending.attempts["bad"]
    pauses = [round(later - earlier, 1) for earlier, later in pairwise(found)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0, 60.0]


async def test_it_is_tried_soon_when_it_is_noted_and_not_more_often_than_once_a_second() -> None:
    mending = Mending("bad")
    async with running(mending):
        mending.queue.note("bad")
        await asyncio.sleep(100)
        before = len(mending.attempts["bad"])
        for _ in range(1000):
            mending.queue.note("bad")
            await asyncio.sleep(0.01)
        assert 9 <= len(mending.attempts["bad"]) - before <= 11
        mending.broken.clear()
        mending.queue.note("bad")
        await asyncio.sleep(1.1)
        mended = len(mending.attempts["bad"])
        await asyncio.sleep(100)
        assert len(mending.attempts["bad"]) == mended


async def test_who_waits_for_it_is_told_when_it_is_mended_or_goes_on_after_a_moment() -> None:
    mending, loop = Mending("bad"), asyncio.get_running_loop()
    async with running(mending):
        mending.queue.note("bad")
        await asyncio.sleep(0.1)
        waiting = asyncio.ensure_future(mending.queue.caught_up("bad"))
        mending.broken.clear()
        await waiting
        assert loop.time() < 0.7
        mending.broken.add("bad")
        mending.queue.note("bad")
        noted_at = loop.time()
        await mending.queue.caught_up("bad")
        assert loop.time() - noted_at == pytest.approx(1.0, abs=0.1)
