"""Members whose history differs from the primary's, and such as are too far behind (pure)."""

from collections.abc import Mapping

from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing

CANNOT_SEND = 1236
"""ER_MASTER_FATAL_ERROR_READING_BINLOG: the source cannot send what comes next, be it that it has no such history or no longer."""
PURGED = ("purged", "too old")
"""Words in its text when the source had it once."""


def has_errant(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Whether a replica has transactions that the primary has not, as positions tell or the primary itself.

    Only said of one that receives nothing: positions are of different moments otherwise.
    """
    primary = members.get(standing.primary)
    if member.name == standing.primary or primary is None or not primary.answers or not member.answers or member.receives:
        return False
    if member.term != standing.term or not primary.executed:
        return False
    return (_is_refused(standing, member) and not _is_purged(member)) or not primary.executed.covers(member.executed)


def is_behind_the_logs(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Its data are given up for that: only as long as the primary has all that it has."""
    refused = member.term == standing.term and _is_refused(standing, member) and _is_purged(member)
    return refused and _is_working(standing, members) and not has_errant(standing, members, member)


def _is_refused(standing: Standing, member: Member) -> bool:
    return member.errno == CANNOT_SEND and member.source == standing.primary


def _is_purged(member: Member) -> bool:
    return any(word in member.replication_error for word in PURGED)


def is_unacknowledged(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Whether it was the primary until a failover that lost nothing, so that what it alone has was acknowledged to nobody.

    Its data are given up for that. So it is not said of a replica that acknowledges, and not because it is ahead of what the primary
    said last: a primary that has just died said that before its last transactions.
    """
    move = standing.move
    if move.kind != "failover" or move.source != member.name or move.at or member.term != standing.term:
        return False
    if member.name in standing.acknowledging or not _is_working(standing, members):
        return False
    return _is_diverged(standing, members, member) or (member.is_heard and bool(member.untruncated))


def _is_working(standing: Standing, members: Mapping[str, Member]) -> bool:
    primary = members.get(standing.primary)
    return primary is not None and primary.is_writable and primary.term == standing.term


def _is_diverged(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """For certain: the primary has refused it, or has gone another way."""
    if not has_errant(standing, members, member):
        return False
    is_refused = _is_refused(standing, member) and not _is_purged(member)
    return is_refused or members[standing.primary].executed.contradicts(member.executed)
