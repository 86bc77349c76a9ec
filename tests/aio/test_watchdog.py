import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from structlog.testing import capture_logs

from pilothouse.aio.tasks import scope
from pilothouse.aio.watchdog import HELD, Hold, LookPace, Watchdog, log_hold


@asynccontextmanager
async def watched(held_s: float = 0.05) -> AsyncIterator[tuple[Watchdog, list[Hold]]]:
    holds: list[Hold] = []
    watchdog = Watchdog(held_s=held_s, report=holds.append)
    async with scope() as tasks:
        tasks.spawn(watchdog.run(), name="watchdog")
        await asyncio.sleep(0.12)
        yield watchdog, holds
        tasks.cancel()


def hold_the_loop(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def culprit(seconds: float) -> None:
    hold_the_loop(seconds)


async def test_a_task_that_holds_the_loop_is_named_with_its_place() -> None:
    async with watched() as (_, holds):
        await asyncio.create_task(culprit(0.6), name="job 3")
    # On a busy machine the loop may have been held by others before.
    named = [hold for hold in holds if hold.task == "job 3"]
    assert any("test_watchdog.py" in hold.where[0] and any("culprit" in each for each in hold.where) for hold in named)


async def test_a_task_without_a_name_is_called_after_its_coroutine() -> None:
    async with watched() as (_, holds):
        await asyncio.create_task(culprit(0.6))
    assert any(hold.task.endswith("(culprit)") for hold in holds)


async def test_a_hold_is_reported_while_it_lasts_and_again_as_it_doubles() -> None:
    async with watched() as (_, holds):
        hold_the_loop(1.0)
        lengths = [each.held_s for each in holds]
    assert 2 <= len(lengths) <= 5
    assert all(later >= 2 * earlier for earlier, later in pairwise(lengths))


def by_a_task(holds: list[Hold]) -> list[Hold]:
    """On a busy machine the loop may have waited for others, too."""
    return [hold for hold in holds if hold.task]


async def test_shorter_holds_that_follow_make_no_more_lines() -> None:
    async with watched() as (_, holds):
        hold_the_loop(0.6)
        said = len(by_a_task(holds))
        for _ in range(3):
            await asyncio.sleep(0.15)
            hold_the_loop(0.2)
    assert len(by_a_task(holds)) == said


async def test_holds_are_measured_and_counted() -> None:
    before = HELD.value()
    async with watched() as (watchdog, _):
        hold_the_loop(0.5)
        async with asyncio.timeout(5):
            while watchdog.worst_lag_s < 0.3:
                await asyncio.sleep(0.01)
    assert HELD.value() > before


def test_a_loop_that_waits_for_the_machine_blames_nobody() -> None:
    with capture_logs() as logs:
        log_hold(Hold(1.23456, "", ()))
    assert logs[0]["held_s"] == 1.235
    assert "the machine is busy" in logs[0]["where"]


def looks(pace: LookPace, uses: list[float]) -> tuple[float, int]:
    """Seconds that these looks take, and how often the loop was asked; use of the processor at each."""
    seconds, asked = 0.0, 0
    for use in uses:
        seconds += pace.pause_s
        asked += pace.is_due(use)
    return seconds, asked


def test_an_idle_loop_is_woken_once_a_second() -> None:
    pace = LookPace(held_s=0.25)
    looks(pace, [0.0, 0.0])
    assert looks(pace, [0.01] * 20) == (10.0, 10)


def test_a_loop_that_computes_is_asked_at_each_look_and_looked_at_often() -> None:
    pace = LookPace(held_s=0.25)
    looks(pace, [0.0, 0.9])
    assert looks(pace, [0.9] * 8) == (1.0, 8)
