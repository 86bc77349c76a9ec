"""The first primary (pure).

A member without data is given an empty server only as long as the instance never had any: data that is missing later is never
taken for a beginning.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

MOST_AHEAD = 1_000_000
"""So many changes of the primary no status has missed: a term that is further ahead than that nobody has given."""


def begin(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    """Of an instance that has not begun: with its first primary, and `seeded` once that has its data."""
    if standing.primary:
        primary = members.get(standing.primary)
        return replace(standing, seeded=standing.primary) if primary is not None and primary.is_heard and primary.has_data else standing
    heard = [members[name] for name in wish.names if name in members and members[name].is_heard]
    if len(heard) < wish.replicas:
        return standing
    first = first_of(wish, heard)
    if first is None:
        return standing
    terms = [each.term for each in heard if each.term <= standing.term + MOST_AHEAD]
    return replace(standing, primary=first.name, term=max([standing.term, *terms]) + 1)


def first_of(wish: Wish, heard: list[Member]) -> Member | None:
    """The first one where all are empty, or the one that has data. None: several have, and no server runs that could say how much.

    Then the one that the user names by `force`: a server that is started as a replica may take back what it has acknowledged, so that
    nothing is tried.
    """
    kept = [member for member in heard if member.has_data]
    if len(kept) > 1:
        return next((member for member in kept if wish.force and member.name == wish.switch_to), None)
    return kept[0] if kept else heard[0]
