"""How long work may take of the processor, on a machine that may be slow or busy with others."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

UNIT_S = 0.01
"""What `unit` takes on the machine that limits are meant for."""


def unit() -> float:
    """A fixed piece of work: how slow the machine is by what else it does."""
    started = time.thread_time()
    found = {str(number): {"n": number} for number in range(40_000)}
    assert len(found) == 40_000
    return time.thread_time() - started


def slowness() -> float:
    """How many times as long work takes here as on the machine that limits are meant for; at least 1."""
    return max(1.0, unit() / UNIT_S)


@contextmanager
def takes_under(limit_s: float, clock: Callable[[], float] = time.process_time) -> Iterator[None]:
    """The block must take less CPU time than so much of the machine that limits are meant for; AssertionError otherwise.

    clock: `time.process_time` counts all threads, `time.thread_time` this one.
    Without the collector of cycles: it would go through all that the tests before have left in this process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        before, started = slowness(), clock()
        yield
        took = clock() - started
        allowed = limit_s * max(before, slowness())
        assert took < allowed, f"took {took:.2f} s of the processor, {allowed:.2f} are allowed"
    finally:
        if was_enabled:
            gc.enable()
