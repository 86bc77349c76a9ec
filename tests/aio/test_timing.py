"""Back-off, clocks, periodic work: in virtual time where time passes."""

import asyncio
import time

import pytest

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.clock import SystemClock
from pilothouse.aio.periodic import every


def test_delays_grow_to_the_cap_and_start_over_after_a_success() -> None:
    backoff = Backoff(10, factor=2, cap_s=300)
    assert [backoff.next_s() for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]
    assert backoff.attempts == 7
    backoff.reset()
    assert (backoff.next_s(), backoff.attempts) == (10, 1)


def test_jitter_adds_at_most_its_share() -> None:
    assert Backoff(10, jitter=0.5, random=lambda: 1.0).next_s() == 15
    assert Backoff(10, jitter=0.5, random=lambda: 0.0).next_s() == 10


@pytest.mark.parametrize("wrong", [{"initial_s": 0}, {"factor": 0.5}, {"initial_s": 10, "cap_s": 1}, {"jitter": -1}])
def test_backoff_that_does_not_grow_is_an_error(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Backoff(**wrong)  # type: ignore[arg-type]


def test_system_clock_tells_wall_time_and_a_time_that_only_grows() -> None:
    clock = SystemClock()
    assert clock.now() == pytest.approx(time.time(), abs=1)
    assert clock.monotonic() <= clock.monotonic()


class SteppedClock:
    """Virtual time: sleeping moves it."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def now(self) -> float:
        return self.time_s

    def monotonic(self) -> float:
        return self.time_s

    async def sleep(self, delay_s: float) -> None:
        self.time_s += delay_s
        await asyncio.sleep(0)


async def test_periodic_work_runs_at_once_and_then_after_each_pause() -> None:
    clock = SteppedClock()
    runs: list[float] = []

    async def action() -> None:
        runs.append(clock.now())
        clock.time_s += 3
        if len(runs) == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await every(10, action, clock=clock)
    assert runs == [0, 13, 26, 39]
