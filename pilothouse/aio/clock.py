"""Time as a parameter, so that tests decide what time it is."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Wall-clock time, seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""
        ...

    async def sleep(self, delay_s: float) -> None: ...


class SystemClock:
    """The machine's clocks. monotonic() is the running loop's own where there is one, so virtual time in tests reaches it."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


class Steady:
    """For deciding when something is due: seconds since the epoch as the machine had them when this was made, and on from there
    evenly, whatever is done to the machine's clock meanwhile. Not for telling anybody the time: that is `stamp`.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._offset = self._clock.now() - self._clock.monotonic()

    def __call__(self) -> float:
        return self._clock.monotonic() + self._offset

    def stamp(self) -> float:
        """The machine's time of day, seconds since the epoch."""
        return self._clock.now()

    def of(self, stamp: float) -> float:
        """When, on this clock, something happened to which the machine's clock has put a stamp: now at the latest."""
        return self() - max(0.0, self._clock.now() - stamp)
