"""A pool of numbers, each with at most one owner.

What is taken is what stored objects hold plus what writes on their way have reserved. So nothing is given twice, nothing
leaks when a write fails, and a start needs no repair: the pool is rebuilt from the objects.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """numbers, of which those at the low end, so many, are given only to those who ask for them by number."""

    numbers: range
    kept_low: int = 0

    def parts(self) -> tuple[range, range]:
        """In the order in which they are given."""
        low = min(self.kept_low, size(self.numbers))
        return self.numbers[low:], self.numbers[:low]


def size(numbers: range) -> int:
    """How many; `len` counts no further than a machine word, and an IPv6 network has more."""
    return max(0, numbers.stop - numbers.start)


class Pool:
    """spans: from which numbers are picked; they may overlap. A number may be held that is in none of them (any more)."""

    def __init__(self, spans: Sequence[Span] = ()) -> None:
        self.spans = tuple(spans)
        self._held: dict[int, dict[str, str]] = {}
        self._reserved: dict[int, list[str]] = {}

    def has(self, number: int) -> bool:
        """Whether it may be given."""
        return any(number in span.numbers for span in self.spans)

    def hold(self, number: int, holder: str, owner: str) -> None:
        """holder: the stored object that says so, which need not be the owner."""
        self._held.setdefault(number, {})[holder] = owner

    def let_go(self, number: int, holder: str) -> None:
        holders = self._held.get(number)
        if holders is not None:
            holders.pop(holder, None)
            if not holders:
                del self._held[number]

    def holders(self, number: int) -> Iterable[str]:
        return self._held.get(number, {}).keys()

    def is_free(self, number: int, owner: str) -> bool:
        """For that owner."""
        taken = (*self._held.get(number, {}).values(), *self._reserved.get(number, ()))
        return all(each == owner for each in taken)

    def is_held_by(self, number: int, owner: str) -> bool:
        return owner in self._held.get(number, {}).values()

    def held(self) -> Iterator[tuple[int, str]]:
        """Numbers with their owners, as objects are stored."""
        return ((number, owner) for number, holders in self._held.items() for owner in holders.values())

    def reserved(self) -> Iterator[tuple[int, str]]:
        """Numbers with their owners, of writes on their way."""
        return ((number, owner) for number, owners in self._reserved.items() for owner in owners)

    def reserve(self, number: int, owner: str) -> None:
        """Once for each write: the refusal of one must not give away what another of the same owner is about to commit."""
        self._reserved.setdefault(number, []).append(owner)

    def unreserve(self, number: int, owner: str) -> None:
        """Undoes one `reserve`."""
        owners = self._reserved[number]
        owners.remove(owner)
        if not owners:
            del self._reserved[number]

    def pick(self, spans: Iterable[Span] | None = None) -> int | None:
        """A free number, by chance, from the first span that has one; None when all are taken. spans: None for all of the pool's."""
        for span in self.spans if spans is None else spans:
            for part in span.parts():
                found = self._pick_from(part)
                if found is not None:
                    return found
        return None

    def _pick_from(self, part: range) -> int | None:
        if not part:
            return None
        count = size(part)
        start = random.randrange(count)
        for offset in range(count):
            number = part[(start + offset) % count]
            if number not in self._held and number not in self._reserved:
                return number
        return None
