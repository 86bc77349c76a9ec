"""Bounds on what one address may have of something, and all addresses together."""

from collections import Counter


class Places:
    """How many of something each address has, within bounds for one and for all."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Whether there was one left; who has taken it gives it back."""
        if self._taken[address] >= self._most_of_one or self._taken.total() >= self._most:
            self._tidy(address)
            return False
        self._taken[address] += 1
        return True

    def give(self, address: str) -> None:
        self._taken[address] -= 1
        self._tidy(address)

    def _tidy(self, address: str) -> None:
        if self._taken[address] <= 0:
            del self._taken[address]
