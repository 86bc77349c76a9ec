"""What an archive holds, by the names of its segments: which of them count, how far, and where there are gaps (pure).

Linear in their number: an archive of months has thousands of segments, and one that was never merged a million.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pilothouse.platform.databases.inside.archive.position import Position, contains, position, reaches, text
from pilothouse.platform.databases.inside.archive.segment import Group, Name


@dataclass(frozen=True, slots=True)
class Link:
    """A segment, and how far it counts: up to `last`, which may lie before its own end when a later one took another way."""

    name: Name
    last: str


Run = list[Link]
"""Segments of which each goes on where the one before ends."""


def in_place(names: Iterable[Name]) -> list[Name]:
    """Oldest first, without those that a merged one is in place of, although they have not gone yet."""
    found: list[Name] = []
    for name in sorted(names, key=lambda each: (each.first, -each.number)):
        if not found or found[-1].span == 1 or name.number > found[-1].number:
            found.append(name)
    return found


def is_whole(names: Sequence[Name]) -> bool:
    """Whether of names in order none is missing between two others."""
    return all(name.first <= before.number + 1 for before, name in pairwise(names))


def runs(names: Iterable[Name]) -> list[Run]:
    """Oldest first. Where one ends and the next begins there is a gap."""
    found: list[Run] = []
    for name in in_place(names):
        run, begin = found[-1] if found else [], position(name.after)
        if _goes_through(run, begin):
            _cut(run, begin)
            run.append(Link(name, name.last))
        else:
            found.append([Link(name, name.last)])
    return found


def index_of(found: list[Run], start: str) -> int | None:
    """Of the newest run that goes on from the position; behind the last one there is no gap."""
    wanted = position(start)
    return next((number for number in reversed(range(len(found))) if _goes_through(found[number], wanted)), None)


def behind(run: Run, start: str) -> Run:
    """Its part from the position on."""
    begin = position(start)
    return [link for link in run if not reaches(begin, position(link.last))]


def until(groups: list[Group], last: str) -> list[Group]:
    """Those of a segment that count, when it counts up to a position."""
    end = position(last)
    return [each for each in groups if contains(end, each.gtid)]


def _goes_through(run: Run, wanted: Position) -> bool:
    return bool(run) and reaches(position(run[-1].last), wanted) and reaches(wanted, position(run[0].name.after))


def _cut(run: Run, end: Position) -> None:
    while run and reaches(position(run[-1].name.after), end):
        run.pop()
    if run and position(run[-1].last) != end:
        run[-1] = Link(run[-1].name, text(end))
