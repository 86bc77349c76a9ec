"""Notices a program that runs and does not answer: stopped, deadlocked or spinning, which nothing says by itself."""

import asyncio
from collections.abc import Awaitable, Callable

EVERY_S = 5.0
ANSWER_S = 5.0
MISSES = 3
"""In a row, so that a busy machine is not taken for a program that hangs."""


async def until_silent(
    answers: Callable[[], Awaitable[bool]], *, every_s: float = EVERY_S, answer_s: float = ANSWER_S, misses: int = MISSES
) -> None:
    """Ask every `every_s` whether it answers; return once it has not, so many times in a row, each within `answer_s`."""
    missed = 0
    while missed < misses:
        await asyncio.sleep(every_s)
        try:
            async with asyncio.timeout(answer_s):
                missed = 0 if await answers() else missed + 1
        except TimeoutError:
            missed += 1
