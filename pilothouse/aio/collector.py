"""Python's collector of reference cycles, set for a server: seldom, and never over what stays for as long as the process.

With its defaults it looks through everything that a large request has made, again and again while it is made, and now and then through
all modules, which holds the event loop. Cycles are rare here: a request's values are freed by their reference counts.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20


def restrain() -> None:
    """Once all modules are loaded: what exists by now is never looked through again."""
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
    gc.collect()
    gc.freeze()


@contextmanager
def filling() -> Iterator[None]:
    """While something large is made that stays: nothing is looked through meanwhile, nor is this ever afterwards.

    For seconds, not for longer: cycles that others make meanwhile stay. Does nothing in processes that are not restrained.
    """
    if not gc.get_freeze_count() or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
