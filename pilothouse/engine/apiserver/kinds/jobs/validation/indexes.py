"""Indexes of an Indexed job as text: ascending, in which `3-5` stands for three of them, as in `0,3-5`."""

from itertools import pairwise
from typing import NamedTuple

from pilothouse.model.digits import natural


class Interval(NamedTuple):
    first: int
    last: int


class BadIndexes(ValueError):
    """The text is not what it should be; str(error) says why."""


def count(text: str, completions: int) -> int:
    """How many indexes below `completions` the text names; raises BadIndexes."""
    intervals = [_interval(part, completions) for part in text.split(",")] if text else []
    for before, after in pairwise(intervals):
        _ascending(before.last, after.first)
    return sum(last - first + 1 for first, last in intervals)


def overlap(text: str, other: str, completions: int) -> int | None:
    """The least index that both name. What cannot be read is passed over."""
    mine, others = _readable(text, completions), _readable(other, completions)
    at = other_at = 0
    while at < len(mine) and other_at < len(others):
        one, two = mine[at], others[other_at]
        if one.first <= two.last and two.first <= one.last:
            return max(one.first, two.first)
        if one.first <= two.first:
            at += 1
        else:
            other_at += 1
    return None


def _readable(text: str, completions: int) -> list[Interval]:
    found = []
    for part in text.split(",") if text else ():
        try:
            found.append(_interval(part, completions))
        except BadIndexes:
            continue
    return found


def _interval(text: str, completions: int) -> Interval:
    parts = text.split("-")
    if len(parts) > 2:
        why = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise BadIndexes(f'the fragment "{text}" {why}')
    limits = [_index(part, completions) for part in parts]
    if len(limits) == 2:
        _ascending(*limits)
    return Interval(limits[0], limits[-1])


def _index(text: str, completions: int) -> int:
    number = natural(text)
    if number is None:
        raise BadIndexes(f'cannot convert string to integer for index: "{text}"')
    if number >= completions:
        raise BadIndexes(f'too large index: "{text}"')
    return number


def _ascending(before: int, after: int) -> None:
    if before >= after:
        raise BadIndexes(f"non-increasing order, previous: {before}, current: {after}")
