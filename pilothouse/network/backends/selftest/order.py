"""Which nodes are tried next. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest

AT_ONCE = 5
"""Nodes that are tried in one tick."""


@dataclass(slots=True)
class Tried:
    """at: when, in seconds of a clock that never goes back; 0: never. failures: in a row."""

    at: float = 0.0
    failures: int = 0


def due(tried: Mapping[str, Tried], now: float, round_s: float) -> list[str]:
    """tried: by node, in the order in which they came. round_s: how often one that is well is tried at most.

    New ones, those in trouble and those that are well take turns, so that however many there are of one kind, the others are tried, too.
    Of each kind first who has waited longest.
    """
    return list(islice(_in_turns(tried, now, round_s), AT_ONCE))


def _in_turns(tried: Mapping[str, Tried], now: float, round_s: float) -> Iterator[str]:
    waiting = sorted(tried, key=lambda name: tried[name].at)
    new = [name for name in waiting if not tried[name].at]
    troubled = [name for name in waiting if tried[name].at and tried[name].failures]
    well = [name for name in waiting if tried[name].at and not tried[name].failures and now - tried[name].at >= round_s]
    for turn in zip_longest(new, troubled, well):
        yield from (name for name in turn if name is not None)
