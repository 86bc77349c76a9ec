"""Virtual time: the event loop's clock jumps to the next timer, and the machine's clock goes along with it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import looptime
import pytest

from pilothouse.aio import apart

T = TypeVar("T")


def new_loop() -> asyncio.AbstractEventLoop:
    """Its clock jumps at once: nothing outside of it is ever waited for, so it need not look around first."""
    return looptime.new_event_loop(start=0.0, noop_cycles=0)


def virtually(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to its end on a loop of its own. What would go to a thread runs in place, since nobody waits for threads in virtual time."""
    loop, began = new_loop(), time.time()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: began + loop.time())
        patch.setattr(asyncio, "to_thread", in_place)
        patch.setattr(apart, "begin", begun_in_place)
        try:
            return loop.run_until_complete(work())
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


async def in_place(work: Callable[..., T], /, *args: Any, **named: Any) -> T:
    await asyncio.sleep(0)
    return work(*args, **named)


def begun_in_place(work: Callable[[], T], name: str) -> "asyncio.Future[T]":
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future


async def until(holds: Callable[[], Any], seconds: float = 600.0) -> None:
    """Until it holds, looking after each bit of virtual time."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"it never held within {seconds:g} s") from None
