"""Which replicas acknowledge, and whether every acknowledged transaction is on two disks (pure).

A failover asks each replica that may have acknowledged, so the list only loses one that certainly acknowledges no more, and whose
transactions another one has.
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
        return replace(standing, acknowledging=(), durable=False)
    primary = members.get(standing.primary) or Member(standing.primary)
    if not primary.answers:
        return standing
    standing = _with_new(wish, standing, members)
    standing = _without_old(standing, members, primary)
    return replace(standing, durable=standing.durable or _is_durable(standing, members, primary))


def is_wanted(name: str, standing: Standing, members: Mapping[str, Member]) -> bool:
    """Whether the member is to acknowledge: not one that will leave, once others can."""
    if name not in standing.acknowledging:
        return False
    others = [each for each in acknowledging(standing, members) if each.name != name and not each.leaves]
    return not members[name].leaves or not others


def _with_new(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    good = [each for each in acknowledging(standing, members) if each.runs and not each.leaves]
    room = wish.acknowledging - len(good)
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


def _without_old(standing: Standing, members: Mapping[str, Member], primary: Member) -> Standing:
    """Without those that were replaced: more than is needed, silent for certain, and somebody else has what they have."""
    stays = [each for each in acknowledging(standing, members) if each.runs and not each.leaves]
    gone = [each for each in acknowledging(standing, members) if each not in stays and _is_silenced(each)]
    proven = any(each.follows(primary.name) and each.received.covers(primary.executed) for each in stays)
    if not gone or not proven or len(stays) < min(2, len(standing.acknowledging)):
        return standing
    names = {each.name for each in gone}
    return replace(standing, acknowledging=tuple(name for name in standing.acknowledging if name not in names))


def _is_silenced(member: Member) -> bool:
    return member.has_ended or (member.answers and not member.acknowledges)


def _is_durable(standing: Standing, members: Mapping[str, Member], primary: Member) -> bool:
    """Whether the primary waits for acknowledgements now, and a replica has what came before."""
    if not primary.waits_for_acknowledgements or not standing.acknowledging:
        return False
    return any(
        member.follows(primary.name) and member.is_intact and member.received.covers(primary.executed)
        for member in acknowledging(standing, members)
    )
