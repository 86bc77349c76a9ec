"""How many requests one other server may hold open here at a time, so that one that does not answer costs no more than that."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pilothouse.model.errors import TooManyRequests

MOST_SHORT, MOST_LONG = 200, 1000
"""Of requests that end by themselves, and of those that take as long as their clients want (watches, sessions)."""


class Places:
    """By the name of the APIService."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, bool]] = Counter()

    @contextmanager
    def taken(self, name: str, *, is_long: bool) -> Iterator[None]:
        """For the block. Raises TooManyRequests when there are none left."""
        key = name, is_long
        most = MOST_LONG if is_long else MOST_SHORT
        if self._taken[key] >= most:
            raise TooManyRequests(
                f"apiservice {name} has {most} requests to answer already; try again later", details={"retryAfterSeconds": 1}
            )
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
