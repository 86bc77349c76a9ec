"""Members whose history differs from the primary's, and such as are too far behind (pure).

Positions of two members are of different moments. So nothing follows from one that goes further than the other; what does are a primary's
refusal, and another transaction in the place of one's own: what a primary has in its log stays there.
"""

from collections.abc import Mapping

from pilothouse.platform.databases.mysql.topology import failover
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing

CANNOT_SEND = 1236
"""ER_MASTER_FATAL_ERROR_READING_BINLOG: the source cannot send what comes next, be it that it has no such history or no longer."""
PURGED = ("purged", "too old")
"""Words in its text when the source had it once."""
AWAY_S = 30.0
"""A replica that was not heard of for so long counts as gone, so that nobody waits for it to receive what the primary has."""


def has_errant(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Whether a replica has transactions that the primary has not, as the primary has told it or positions show.

    Not before the primary has applied what it is to go on from: it cannot send that yet, and its position lacks it.
    """
    primary = members.get(standing.primary)
    if member.name == standing.primary or primary is None or not member.answers or member.receives:
        return False
    if member.term != standing.term or not primary.executed or not _has_begun(standing, primary):
        return False
    return (_is_refused(standing, member) and not _is_purged(member)) or primary.executed.contradicts(member.executed)


def is_behind_the_logs(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Its data are given up for that: only where the primary has all that it has for certain."""
    return _cannot_go_on(standing, members, member) and members[standing.primary].executed.surely_covers(member.received)


def may_have_errant(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Whether it is behind what the primary keeps, and nobody can tell whether it has something of its own beside."""
    return _cannot_go_on(standing, members, member) and not members[standing.primary].executed.surely_covers(member.received)


def _cannot_go_on(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    refused = member.answers and member.term == standing.term and _is_refused(standing, member) and _is_purged(member)
    return refused and not member.receives and _is_working(standing, members) and not has_errant(standing, members, member)


def _has_begun(standing: Standing, primary: Member) -> bool:
    """Whether it is the primary of this term and has applied what it has, also one that takes no writes at the moment."""
    is_primary = primary.answers and primary.role == "primary" and primary.term == standing.term
    return is_primary and not failover.lacks_what_was_handed(standing, primary) and primary.executed.covers(primary.received)


def _is_refused(standing: Standing, member: Member) -> bool:
    return member.errno == CANNOT_SEND and member.source == standing.primary


def _is_purged(member: Member) -> bool:
    return any(word in member.replication_error for word in PURGED)


def is_unacknowledged(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Whether primaries were chosen without it in failovers that lost nothing, so that what it alone has was acknowledged to nobody.

    Its data are given up for that. They may be the second copy of what the new primary alone had acknowledged, so not before a replica
    has that, or none is there to have it.
    """
    if member.name not in standing.passed_over or member.name in standing.acknowledging or member.term != standing.term:
        return False
    if not _is_working(standing, members) or not (standing.durable or _is_alone(standing, members)):
        return False
    if member.is_heard and member.untruncated:
        return True
    return has_errant(standing, members, member) or _cannot_go_on(standing, members, member)


def reconciled(standing: Standing, members: Mapping[str, Member]) -> tuple[str, ...]:
    """`passed_over` without those that follow the primary, which has all that they have."""
    primary = members.get(standing.primary)
    if primary is None or not primary.is_writable or primary.term != standing.term:
        return standing.passed_over
    return tuple(name for name in standing.passed_over if not _agrees(standing, primary, members.get(name)))


def _agrees(standing: Standing, primary: Member, member: Member | None) -> bool:
    return member is not None and any(
        word.term == standing.term and word.follows(primary.name) and primary.executed.covers(word.received) for word in member.words
    )


def _is_alone(standing: Standing, members: Mapping[str, Member]) -> bool:
    """Whether no replica is there to receive what the primary has. One that is there may have yet to begin, as one that applies first
    what the source before has sent.
    """
    return not any(name in members and members[name].silent_s < AWAY_S for name in standing.acknowledging)


def _is_working(standing: Standing, members: Mapping[str, Member]) -> bool:
    primary = members.get(standing.primary)
    return primary is not None and primary.is_writable and primary.term == standing.term
