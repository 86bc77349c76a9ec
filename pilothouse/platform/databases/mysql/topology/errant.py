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
    refused = member.term == standing.term and _is_refused(standing, member) and _is_purged(member)
    return refused and not has_errant(standing, members, member)


def _is_refused(standing: Standing, member: Member) -> bool:
    return member.errno == CANNOT_SEND and member.source == standing.primary


def _is_purged(member: Member) -> bool:
    return any(word in member.replication_error for word in PURGED)


def is_unacknowledged(standing: Standing, members: Mapping[str, Member], member: Member) -> bool:
    """Whether it was the primary until a failover that lost nothing, so that what it alone has was acknowledged to nobody."""
    move = standing.move
    if move.kind != "failover" or move.source != member.name or move.at or member.term != standing.term:
        return False
    return has_errant(standing, members, member) or (member.is_heard and bool(member.untruncated))
