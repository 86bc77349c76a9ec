"""How long a pod rests that was woken and fitted nowhere all the same.

The first times it does not: what woke it may have been part of what it waits for. Then as upstream, a second at first and ten at most.
Source: kubernetes pkg/scheduler/backend/queue (backoff queue).
"""

from dataclasses import dataclass

EAGER = 3
FIRST_S, MOST_S = 1.0, 10.0


@dataclass(slots=True)
class _Tries:
    count: int = 0
    last: float = 0.0


class BackOff:
    """Times are of one clock that only goes forward, in seconds. first_s, most_s: of the rests."""

    def __init__(self, first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._tries: dict[str, _Tries] = {}

    def tried(self, key: str, now: float) -> None:
        found = self._tries.setdefault(key, _Tries())
        found.count += 1
        found.last = now

    def forget(self, key: str) -> None:
        """It has found a place, or it is another pod now."""
        self._tries.pop(key, None)

    def rest_s(self, key: str, now: float) -> float:
        """How long until it may be tried again; 0 for at once."""
        tries = self._tries.get(key)
        if tries is None or tries.count <= EAGER:
            return 0.0
        pause_s = min(self._most_s, self._first_s * 2.0 ** min(tries.count - EAGER - 1, 10))
        return max(0.0, tries.last + pause_s - now)
