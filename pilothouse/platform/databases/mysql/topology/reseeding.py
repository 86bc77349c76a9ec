"""A replica whose data its user has given up (pure).

What is asked for is judged when it is first seen, and never lies in wait: a member that is the primary, or that alone may have
acknowledged transactions, keeps its data, and a request that was carried out or refused is over.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology import failover
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
    others = [each for each in failover.acknowledging(standing, members) if each.name != wish.reseed_member]
    if wish.reseed_member in standing.acknowledging and not any(each.follows(primary.name) for each in others):
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
