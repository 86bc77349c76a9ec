"""What an archive holds, by the names of its segments: which of them count, how far, and where there are gaps (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.platform.databases.inside.archive.position import Position, contains, position
from pilothouse.platform.databases.inside.archive.segment import Group, Name


@dataclass(frozen=True, slots=True)
class Link:
    """A segment, and how far it counts: up to `last`, which may lie before its own end when a later one took another way."""

    name: Name
    last: str


Run = list[Link]
"""Segments of which each goes on where the one before ends."""


def runs(names: Iterable[Name]) -> list[Run]:
    """Oldest first. Where one ends and the next begins there is a gap."""
    found: list[Run] = []
    for name in sorted(names, key=lambda each: each.number):
        run = found[-1] if found else []
        kept = _up_to(run, name.after)
        if kept is None:
            found.append([Link(name, name.last)])
        else:
            run[:] = [*kept, Link(name, name.last)]
    return found


def of_position(found: list[Run], start: str) -> Run | None:
    """The newest run that goes on from the position: its part from there."""
    for run in reversed(found):
        if _reaches(position(start), position(run[0].name.after)) and _reaches(position(run[-1].last), position(start)):
            return [link for link in run if not _reaches(position(start), position(link.last))]
    return None


def until(groups: list[Group], last: str) -> list[Group]:
    """Those of a segment that count, when it counts up to a position."""
    end = position(last)
    return [each for each in groups if contains(end, each.gtid)]


def _up_to(run: Run, end: str) -> Run | None:
    """The run cut at the position; None when it does not reach it, or begins behind it."""
    wanted = position(end)
    if not run or not _reaches(position(run[-1].last), wanted) or not _reaches(wanted, position(run[0].name.after)):
        return None
    kept = [link for link in run if not _reaches(position(link.name.after), wanted)]
    if kept and position(kept[-1].last) != wanted:
        kept[-1] = Link(kept[-1].name, end)
    return kept


def _reaches(later: Position, earlier: Position) -> bool:
    return all(domain in later and later[domain][1] >= number for domain, (_, number) in earlier.items())
