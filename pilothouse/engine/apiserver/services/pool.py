"""A pool of numbers, each with at most one owner.

What is taken is what the store's Services hold plus what writes on their way have reserved. So nothing is given twice, nothing
leaks when a write fails, and a start needs no repair: the pool is rebuilt from the Services.
"""

import random


class Pool:
    """numbers: the range; `reserved_for_asking`: how many at its low end are given only to those who ask for them by number."""

    def __init__(self, numbers: range, reserved_for_asking: int = 0) -> None:
        self.numbers = numbers
        self._low = min(reserved_for_asking, len(numbers))
        self._held: dict[int, set[str]] = {}
        self._reserved: dict[int, str] = {}

    def hold(self, number: int, owner: str) -> None:
        self._held.setdefault(number, set()).add(owner)

    def let_go(self, number: int, owner: str) -> None:
        owners = self._held.get(number)
        if owners is not None:
            owners.discard(owner)
            if not owners:
                del self._held[number]

    def is_free(self, number: int, owner: str) -> bool:
        return self._held.get(number, {owner}) <= {owner} and self._reserved.get(number, owner) == owner

    def reserve(self, number: int, owner: str) -> None:
        self._reserved[number] = owner

    def unreserve(self, number: int) -> None:
        self._reserved.pop(number, None)

    def pick(self, owner: str) -> int | None:
        """A free number, by chance from the upper part first; None when all are taken."""
        for part in (self.numbers[self._low :], self.numbers[: self._low]):
            found = self._pick_from(part, owner)
            if found is not None:
                return found
        return None

    def _pick_from(self, part: range, owner: str) -> int | None:
        if not part:
            return None
        start = random.randrange(len(part))
        for offset in range(len(part)):
            number = part[(start + offset) % len(part)]
            if number not in self._held and number not in self._reserved:
                return number
        return None
