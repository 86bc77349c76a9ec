"""Work done again and again, with a pause between the end of one run and the start of the next."""

import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

from pilothouse.aio.clock import Clock, SystemClock


async def every(
    period_s: float,
    action: Callable[[], Awaitable[object]],
    *,
    clock: Clock | None = None,
    jitter: float = 0.0,
) -> NoReturn:
    """Run the action at once and then after each pause, until cancelled; its errors are the caller's.

    jitter 0.1 lengthens each pause by up to a tenth, so that many loops do not run in step.
    """
    clock = SystemClock() if clock is None else clock
    while True:
        await action()
        await clock.sleep(period_s * (1 + jitter * random.random()))
