"""Which transactions of an archive lead from a backup to the state that is asked for (pure but for reading segments)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pilothouse.platform.databases.inside.archive.position import contains, position
from pilothouse.platform.databases.inside.archive.runs import Link, Run, of_position
from pilothouse.platform.databases.inside.archive.segment import Group
from pilothouse.platform.databases.inside.outcome import Failure

Read = Callable[[Link], tuple[bytes, list[Group]]]


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


def transactions(runs: list[Run], start: str, until_us: int, wanted: Target, read: Read) -> Iterator[tuple[bytes, list[Group]]]:
    """Format event and transactions, segment by segment, behind the position `start` up to what is wanted.

    until_us: up to when the archive is known to be complete. Raises Failure "OutsideLogs", with the range that there is, before the
    first is given for a time, and at the end for a transaction that never came.
    """
    run = of_position(runs, start)
    if run is None:
        raise _outside(f"the archive does not go on from the backup's position {start or '(none)'}", "")
    end_us = max(until_us, _end_us(run, read))
    if wanted.time_us is not None and wanted.time_us > end_us:
        raise _outside(f"the archive ends at {_shown(end_us)}", _shown(end_us))
    if wanted.gtid and contains(position(start), wanted.gtid):
        raise _outside(f"the backup at {start} is later than {wanted.gtid}", _shown(end_us))
    yield from _up_to(run, start, wanted, read)


def _up_to(run: Run, start: str, wanted: Target, read: Read) -> Iterator[tuple[bytes, list[Group]]]:
    begin = position(start)
    for link in run:
        format_event, groups = read(link)
        behind = [each for each in groups if not contains(begin, each.gtid)]
        inside = [each for each in behind if wanted.time_us is None or each.moment_us <= wanted.time_us]
        named = next((number for number, each in enumerate(inside, 1) if each.gtid == wanted.gtid), None)
        yield format_event, inside[:named]
        if named is not None or len(inside) < len(behind):
            return
    if wanted.gtid:
        raise _outside(f"the archive holds no transaction {wanted.gtid} behind the backup", run[-1].last if run else start)


def _end_us(run: Run, read: Read) -> int:
    """The moment of the last transaction."""
    groups = read(run[-1])[1] if run else []
    return groups[-1].moment_us if groups else 0


def _outside(why: str, end: str) -> Failure:
    there = f"; what lies between the backup and {end} can be restored" if end else ""
    return Failure("OutsideLogs", f"{why}{there}", final=True)


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
