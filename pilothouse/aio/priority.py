"""Which thread gets a processor first: one that works for moments and keeps others waiting goes before those that never rest.

While all processors are busy, Linux lets a thread that wakes wait until somebody's slice is over, several milliseconds each time; a lower
nice value or shorter slices of its own take at most half of that away. A real-time policy ends the wait. It needs CAP_SYS_NICE.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def go_first() -> bool:
    """The calling thread is run as soon as it can; whether the system allows that. For work that sleeps more than it computes."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    except OSError:
        return False
    return True


@contextmanager
def as_others() -> Iterator[None]:
    """For the block the calling thread is scheduled like any other: for work that may compute for long."""
    was_first = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == os.SCHED_RR
    if was_first:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    try:
        yield
    finally:
        if was_first:
            go_first()
