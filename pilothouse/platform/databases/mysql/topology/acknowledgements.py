"""Which replicas acknowledge, and whether every acknowledged transaction is on two disks (pure).

A failover asks each replica that may have acknowledged, so the list only loses one that certainly acknowledges no more, and whose
transactions another one has. One that is to be replaced is told first to acknowledge no more, and leaves the list once it has said so.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology.failover import acknowledging
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish


def kept(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    """Of an instance whose primary is there."""
    if wish.replicas < 2:
        return replace(standing, acknowledging=(), durable=False, waits=False)
    primary = members.get(standing.primary) or Member(standing.primary)
    if not primary.answers:
        return standing
    standing = _with_new(wish, standing, members)
    standing = _without_old(wish, standing, members, primary)
    waits = standing.waits or bool(standing.acknowledging)
    return replace(standing, waits=waits, durable=standing.durable or _is_durable(standing, members, primary))


def wanted(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> set[str]:
    """Those of the list that are to acknowledge: as many as are needed, if so many are there and stay.

    Else all of it, but for those that are to leave, once another one is there.
    """
    good = _good(standing, members)[: wish.acknowledging]
    if len(good) == wish.acknowledging:
        return set(good)
    return {each.name for each in acknowledging(standing, members) if not good or not each.leaves}


def _good(standing: Standing, members: Mapping[str, Member]) -> list[str]:
    """Those that are there, the ones that follow the primary first."""
    there = [each for each in acknowledging(standing, members) if each.runs and not each.leaves]
    return [each.name for each in sorted(there, key=lambda each: not each.follows(standing.primary))]


def _with_new(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    room = wish.acknowledging - len(_good(standing, members))
    new = [
        member.name
        for member in members.values()
        if member.name != standing.primary
        and member.name not in standing.acknowledging
        and not member.leaves
        and member.follows(standing.primary)
        and member.is_intact
    ]
    return replace(standing, acknowledging=(*standing.acknowledging, *new[: max(0, room)]))


def _without_old(wish: Wish, standing: Standing, members: Mapping[str, Member], primary: Member) -> Standing:
    """Without those that are wanted no more and silent for certain, once one that stays has what they have."""
    stay = wanted(wish, standing, members)
    gone = {each.name for each in acknowledging(standing, members) if each.name not in stay and each.is_silenced}
    proven = any(
        each.follows(primary.name) and each.received.covers(primary.executed) for each in map(members.get, stay) if each is not None
    )
    if not gone or not proven:
        return standing
    return replace(standing, acknowledging=tuple(name for name in standing.acknowledging if name not in gone))


def _is_durable(standing: Standing, members: Mapping[str, Member], primary: Member) -> bool:
    """Whether the primary waits for acknowledgements now, and a replica has what came before."""
    if not primary.waits_for_acknowledgements or not standing.acknowledging:
        return False
    return any(
        member.follows(primary.name) and member.is_intact and member.received.covers(primary.executed)
        for member in acknowledging(standing, members)
    )
