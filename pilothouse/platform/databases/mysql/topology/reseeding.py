"""Members whose data are given up for a copy of another's (pure).

Data go when their user asks for it, when the member is behind what the primary keeps and has nothing of its own, and when what it alone has
was acknowledged to nobody. One that may have acknowledged leaves the list of those first. What is asked for is judged when it is first
seen, and never lies in wait: a request that was carried out or refused is over.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology import failover
from pilothouse.platform.databases.mysql.topology.errant import is_behind_the_logs, is_unacknowledged
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish


def is_asked(wish: Wish, standing: Standing) -> bool:
    return bool(wish.reseed_at) and wish.reseed_at != standing.reseeded_at


def hindrance(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> str:
    """Why the member keeps its data; "" when they may go."""
    primary = members.get(standing.primary)
    if wish.reseed_member not in members:
        return f"there is no member {wish.reseed_member}: there are {', '.join(members)}"
    if wish.reseed_member == standing.primary:
        return f"{wish.reseed_member} is the primary, from which the others are copied: ph mysql switchover {wish.name} first"
    if primary is None or not primary.is_writable:
        return "there is no primary that it could be copied from"
    if wish.reseed_member in standing.acknowledging and not _others(standing, members, wish.reseed_member):
        return f"no other replica acknowledges what {standing.primary} commits"
    return ""


def is_due(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> bool:
    return is_asked(wish, standing) and not hindrance(wish, standing, members)


def step(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    """The request is over once its member says that it has begun anew, or at once when it cannot be."""
    member = members.get(wish.reseed_member)
    is_done = member is not None and member.is_heard and member.reseeded == wish.reseed_at
    if is_asked(wish, standing) and (is_done or hindrance(wish, standing, members)):
        return replace(standing, reseeded_at=wish.reseed_at)
    return standing


def occasion(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> str:
    """Names the occasion on which its data are to go; "" when they stay. A member carries an occasion out once."""
    if is_due(wish, standing, members) and wish.reseed_member == member.name:
        return wish.reseed_at
    if is_behind_the_logs(standing, members, member):
        return _unlike(f"behind-{standing.term}", member)
    return _unlike(f"errant-{standing.term}", member) if is_unacknowledged(standing, members, member) else ""


def order(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> str:
    """The occasion on which it is told to begin anew. One that may have acknowledged leaves the list first.

    When no other one of the list is there it cannot, and commits wait for it: the first of these begins anew. The primary has all it has.
    """
    if member.name in standing.acknowledging:
        lost = [each.name for each in failover.acknowledging(standing, members) if is_behind_the_logs(standing, members, each)]
        if _others(standing, members, member.name) or lost[:1] != [member.name]:
            return ""
    return occasion(wish, standing, members, member)


def leaving(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> dict[str, Member]:
    """The members, of which those that are to begin anew leave."""
    return {
        name: replace(member, leaves=member.leaves or (name != standing.primary and bool(occasion(wish, standing, members, member))))
        for name, member in members.items()
    }


def _others(standing: Standing, members: Mapping[str, Member], name: str) -> list[str]:
    """Of the list, those that follow the primary beside that one."""
    return [each.name for each in failover.acknowledging(standing, members) if each.name != name and each.follows(standing.primary)]


def _unlike(name: str, member: Member) -> str:
    """Unlike the one that it carried out last."""
    return f"{name}-again" if member.reseeded == name else name
