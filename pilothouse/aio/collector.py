"""Python's collector of reference cycles, set for a server: seldom, and never over what stays for as long as the process.

With its defaults it looks through everything that a large request has made, again and again while it is made, and now and then through
all modules, which holds the event loop. Cycles are rare here: a request's values are freed by their reference counts.
"""

import gc

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 20


def restrain() -> None:
    """Once all modules are loaded: what exists by now is never looked through again."""
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
    gc.collect()
    gc.freeze()
