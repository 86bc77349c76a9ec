"""A budget for loops: how many rounds may follow each other freely, and how the ones beyond are slowed down.

A loop that decides by itself when to come round again asks a Pace before each round, so that a mistake in its decision costs
a few rounds a second and not the event loop. It is a token bucket: `burst` rounds at once, one more each `refill_s`.
"""

from typing import NamedTuple


class Budget(NamedTuple):
    burst: int
    refill_s: float


class Pace:
    """Counts the rounds of one loop. Times are seconds on any clock that does not go back; the caller does the waiting."""

    __slots__ = ("_at", "_left", "budget", "is_slowed")

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.is_slowed = False
        self._at = 0.0
        self._left = float(budget.burst)

    def round(self, now: float) -> float:
        """Counts a round that wants to begin now; returns how many seconds it has to wait first, 0.0 within the budget."""
        self._refill(now)
        self._left -= 1
        self.is_slowed = self._left < 0
        return -self._left * self.budget.refill_s if self.is_slowed else 0.0

    def reset(self) -> None:
        """The whole budget anew, when there is a reason for more rounds."""
        self.is_slowed = False
        self._left = float(self.budget.burst)

    def is_at_rest(self, now: float) -> bool:
        """The budget is whole again: a new Pace would do the same."""
        self._refill(now)
        return self._left >= self.budget.burst

    def _refill(self, now: float) -> None:
        self._left = min(float(self.budget.burst), self._left + (now - self._at) / self.budget.refill_s)
        self._at = now
