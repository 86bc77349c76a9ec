"""Ranges of sizes and costs, which are 64 bits wide and stay at their largest value where they would overflow."""

import math
from typing import NamedTuple

MOST = 2**64 - 1


def added(one: int, other: int) -> int:
    return min(one + other, MOST)


def multiplied(one: int, other: int) -> int:
    return min(one * other, MOST)


def _scaled(value: int, factor: float) -> int:
    product = float(value) * factor
    return MOST if product >= float(MOST) else math.ceil(product)


class Range(NamedTuple):
    """Least and most, of a size or of a cost."""

    least: int
    most: int

    def plus(self, other: "Range") -> "Range":
        return Range(added(self.least, other.least), added(self.most, other.most))

    def times(self, other: "Range") -> "Range":
        return Range(multiplied(self.least, other.least), multiplied(self.most, other.most))

    def scaled(self, factor: float) -> "Range":
        """Rounded up."""
        return Range(_scaled(self.least, factor), _scaled(self.most, factor))

    def union(self, other: "Range") -> "Range":
        return Range(min(self.least, other.least), max(self.most, other.most))


def exactly(value: int) -> Range:
    return Range(value, value)


UNKNOWN = Range(0, MOST)
NOTHING, ONE = exactly(0), exactly(1)
