"""How long work holds the event loop, whatever else the machine does."""

import asyncio
import time


async def take_turns(taken: list[float]) -> None:
    """How much of the processor each turn of the loop takes."""
    began_at = time.thread_time()
    while True:
        await asyncio.sleep(0)
        now = time.thread_time()
        taken.append(now - began_at)
        began_at = now
