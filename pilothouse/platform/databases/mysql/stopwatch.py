"""For how long something has been as it is, by this process' own clock: those of several operators differ, and are set."""

import time
from collections.abc import Callable


class Stopwatch:
    """clock: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[object, float]] = {}

    def same_s(self, key: str, value: object) -> float:
        """Since the first of the calls in a row that gave this value for the key."""
        before = self._seen.get(key)
        if before is None or before[0] != value:
            before = self._seen[key] = (value, self._clock())
        return self._clock() - before[1]

    def forget(self, key: str) -> None:
        """Also the keys that go on from it after a space."""
        for each in [each for each in self._seen if each == key or each.startswith(f"{key} ")]:
            del self._seen[each]
