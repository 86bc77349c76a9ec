"""When the loop of a pod comes round: woken by whatever happens and at the plan's time, slowed down where its steps lead nowhere."""

import asyncio
from collections.abc import Callable, Sequence

from pilothouse.aio.meters import Counter
from pilothouse.aio.pace import Budget, Pace
from pilothouse.engine.node.pod.steps import Step

SLOWED = Counter("pilothouse_pod_worker_slowed_total", "How often the loop of a pod came round too fast and had to wait.")

BUDGET = Budget(burst=100, refill_s=0.1)
SAME_STEPS_S, LEAST_REST_S = 0.05, 0.001


class Rounds:
    """now(): the clock by which plans say when they are due. `end` ends every wait, and the loop."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.end = asyncio.Event()
        self._now = now
        self._wake = asyncio.Event()
        self._pace = Pace(BUDGET)
        self._last: tuple[float, list[Step], list[str]] = (0.0, [], [])

    def wake(self) -> None:
        """Something has happened that may call for another plan."""
        self._wake.set()

    def ask_again(self) -> None:
        """The same steps as before are no idle repetition now: they were asked for. The budget of rounds still holds."""
        self._last = (0.0, [], [])

    async def begin(self) -> None:
        """Before the state is looked at: what happens from here on wakes the rest that follows."""
        self._wake.clear()
        # Others get their turn, whatever the steps await.
        await asyncio.sleep(0)
        await self._slow_down(self._pace.round(_loop_time()))

    async def before(self, steps: list[Step], pulled: Sequence[str]) -> None:
        """Before steps are taken. pulled: containers whose images have come since they were wanted: the same step leads on then."""
        at, last, pulled_then = self._last
        if steps == last and list(pulled) == pulled_then:
            # They have been taken and are still to be taken: nothing has come of them.
            await self._slow_down(at + SAME_STEPS_S - _loop_time())
        self._last = (_loop_time(), steps, list(pulled))

    async def rest(self, wake_at: float) -> None:
        """Until something happens or the plan's time has come. A time that has passed is a mistake of the plan's, not a reason to hurry."""
        if wake_at and wake_at <= self._now():
            await self._slow_down(SAME_STEPS_S)
        else:
            # Timers are not exact: one that rings a moment too early must not be set again for no time at all.
            await _wait(self._wake, max(LEAST_REST_S, wake_at - self._now()) if wake_at else None)

    async def _slow_down(self, pause_s: float) -> None:
        if pause_s <= 0:
            return
        SLOWED.add()
        await _wait(self.end, pause_s)


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
