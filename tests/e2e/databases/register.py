"""A register that several clients read, write and compare-and-set, and whether what they saw is linearizable.

The judge is the search of Wing and Gong with the memory of Lowe: is there one order of all operations that keeps to real time, in which
each read sees the write before it. An operation whose end nobody knows may have happened at any time after its beginning, or never.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

UNKNOWN = math.inf


@dataclass(frozen=True, slots=True)
class Operation:
    """kind: read (found: what it saw), write (value), or cas (sets value where it found `expected`; done: whether it did; found).

    began, ended: on one clock; ended UNKNOWN when no answer came.
    """

    kind: Literal["read", "write", "cas"]
    began: float
    ended: float
    value: int = 0
    expected: int = 0
    found: int = 0
    done: bool = True

    def after(self, state: int) -> int | None:
        """The register after it; None where it cannot have seen that state."""
        if self.ended == UNKNOWN:
            return self._unanswered(state)
        if self.kind == "write":
            return self.value
        if self.found != state or (self.kind == "cas" and self.done != (self.expected == state)):
            return None
        return self.value if self.kind == "cas" and self.done else state

    def _unanswered(self, state: int) -> int:
        if self.kind == "read" or (self.kind == "cas" and self.expected != state):
            return state
        return self.value


def is_linearizable(operations: Sequence[Operation], initial: int = 0) -> bool:
    """Reads without an answer say nothing, and are left out."""
    told = sorted((each for each in operations if each.kind != "read" or each.ended != UNKNOWN), key=lambda each: each.began)
    answered = sum(1 << number for number, each in enumerate(told) if each.ended != UNKNOWN)
    seen: set[tuple[int, int]] = set()
    open_: list[tuple[int, int]] = [(0, initial)]
    while open_:
        point = open_.pop()
        if point[0] & answered == answered:
            return True
        for further in _next(told, *point):
            if further not in seen:
                seen.add(further)
                open_.append(further)
    return False


def _next(told: Sequence[Operation], done: int, state: int) -> list[tuple[int, int]]:
    """Those that may come next: begun before any other that is left has ended."""
    left = [(number, each) for number, each in enumerate(told) if not done >> number & 1]
    first_end = min(each.ended for _, each in left)
    found = []
    for number, each in left:
        if each.began > first_end:
            break
        after = each.after(state)
        if after is not None:
            found.append((done | 1 << number, after))
    return found
