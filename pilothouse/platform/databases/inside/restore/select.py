"""Which transactions of an archive lead from a backup to the state that is asked for (pure but for reading segments)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.platform.databases.inside.archive.position import contains, position
from pilothouse.platform.databases.inside.archive.runs import Link, Run, behind, index_of
from pilothouse.platform.databases.inside.archive.segment import Group, Section
from pilothouse.platform.databases.inside.outcome import Failure

Read = Callable[[Link], Iterator[Section]]
"""Of a segment, what counts of it, a part of it at a time."""


@dataclass(frozen=True, slots=True)
class Target:
    """Either a time, since the epoch: all that was committed up to it. Or a transaction: it and all before it."""

    time_us: int | None = None
    gtid: str = ""


def target(time: str, gtid: str) -> Target:
    """Raises Failure for what is neither a time nor a transaction."""
    if gtid:
        try:
            if len(position(gtid)) != 1:
                raise ValueError(f"{gtid!r} is no transaction: write it such as 0-1-55")
        except ValueError as error:
            raise Failure("NoSuchPoint", str(error), final=True) from error
        return Target(gtid=gtid)
    return Target(time_us=_microseconds(time)) if time else Target()


def transactions(runs: list[Run], start: str, until: tuple[int, str], wanted: Target, read: Read) -> Iterator[Section]:
    """Behind the position `start` up to what is wanted, in order.

    until: up to when the archive is known to be complete, and its position then. Raises Failure "OutsideLogs", with the times that there
    are, before the first is given for a time, and at the end for a transaction that never came.
    """
    number = index_of(runs, start)
    if number is None:
        raise _outside(f"the archive does not go on from the backup's position {start or '(none)'}", 0)
    run = behind(runs[number], start)
    end_us = _end_us(run, start, until, read)
    goes_on = _goes_on(runs[number + 1 :], read)
    if wanted.time_us is not None and wanted.time_us > end_us:
        raise _outside(
            f"the archive ends at {_shown(end_us)}" if end_us else "the archive holds nothing behind the backup", end_us, goes_on
        )
    if wanted.gtid and contains(position(start), wanted.gtid):
        raise _outside(f"the backup at {start} is later than {wanted.gtid}", end_us, goes_on)
    found = False
    for format_event, groups, is_last in _up_to(run, start, wanted, read):
        yield format_event, groups
        found = found or is_last
    if wanted.gtid and not found:
        raise _outside(f"the archive holds no transaction {wanted.gtid} behind the backup", end_us, goes_on)


def _up_to(run: Run, start: str, wanted: Target, read: Read) -> Iterator[tuple[bytes, list[Group], bool]]:
    """The last of them is the one with what is wanted; there is none where it never comes."""
    begin = position(start)
    for link in run:
        for format_event, groups in read(link):
            later = [each for each in groups if not contains(begin, each.gtid)]
            inside = [each for each in later if wanted.time_us is None or each.moment_us <= wanted.time_us]
            named = next((number for number, each in enumerate(inside, 1) if each.gtid == wanted.gtid), None)
            is_last = named is not None or len(inside) < len(later)
            yield format_event, inside[:named], is_last
            if is_last:
                return


def _end_us(run: Run, start: str, until: tuple[int, str], read: Read) -> int:
    """Up to when it is known what has happened; 0 for nothing. What was said of another position concerns what came behind a gap."""
    last = max((groups[-1].moment_us for _, groups in read(run[-1])), default=0) if run else 0
    said_us, at = until
    return max(last, said_us if position(at) == position(run[-1].last if run else start) else 0)


def _goes_on(later: list[Run], read: Read) -> str:
    """What there is behind a gap."""
    if not later:
        return ""
    first = next((groups[0].moment_us for _, groups in read(later[0][0]) if groups), 0)
    return f"; there is a gap behind that, and from {_shown(first)} on a point can be had with a backup that was taken since"


def _outside(why: str, end_us: int, goes_on: str = "") -> Failure:
    there = f"; what lies between the backup and {_shown(end_us)} can be restored" if end_us else ""
    return Failure("OutsideLogs", f"{why}{there}{goes_on}", final=True)


def _microseconds(time: str) -> int:
    """Of RFC 3339 in UTC. A whole second means its begin."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    try:
        seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
        return seconds * 1_000_000 + int((fraction + "000000")[:6])
    except ValueError as error:
        raise Failure("NoSuchPoint", f"{time!r} is no time in UTC such as 2026-11-30T12:00:00Z", final=True) from error


def _shown(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
