"""Which replicas acknowledge, and whether every acknowledged transaction is on two disks (pure).

A failover asks each replica that may have acknowledged, so the list only loses one that certainly acknowledges no more, and whose
transactions another one has. What members say is of different moments, so each step of that is a decision of its own, written down
before anybody is told: one that is to leave is `retiring` and told to cease; when it says under that decision that it has it is `silenced`;
what the primary says under that one is later than all that it has acknowledged, and once another one has that, it leaves the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology import failover
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish


def kept(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    """Of an instance whose primary is there. members: those that are to be copied anew leave, too."""
    if wish.replicas < 2:
        return replace(standing, acknowledging=(), retiring=(), silenced=(), durable=False, waits=False)
    primary = members.get(standing.primary) or Member(standing.primary)
    if not primary.answers:
        return standing
    new = _without_silenced(_with_new(wish, standing, members), members, primary)
    new = _with_silenced(_with_retiring(wish, new, members), members)
    return replace(
        new,
        waits=standing.waits or bool(new.acknowledging),
        durable=standing.durable or _is_durable(standing, members, primary),
    )


def active(standing: Standing) -> list[str]:
    """Those of the list that are told to acknowledge."""
    return [name for name in standing.acknowledging if name not in standing.retiring]


def _able(standing: Standing, members: Mapping[str, Member]) -> list[str]:
    """Of those, the ones that are there and stay; the ones that follow the primary first."""
    there = [members[name] for name in active(standing) if name in members and members[name].runs and not members[name].leaves]
    return [each.name for each in sorted(there, key=lambda each: not each.follows(standing.primary))]


def _with_new(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    room = wish.acknowledging - len(_able(standing, members))
    new = [
        member.name
        for member in members.values()
        if member.name not in (standing.primary, *standing.acknowledging, *standing.passed_over)
        and not member.leaves
        and member.follows(standing.primary)
        and member.is_intact
    ]
    return replace(standing, acknowledging=(*standing.acknowledging, *new[: max(0, room)]))


def _with_retiring(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> Standing:
    """All but as many as are needed, if so many are there; else those alone that leave, as long as another one is there."""
    able = _able(standing, members)
    if len(able) >= wish.acknowledging:
        retiring = {*standing.acknowledging} - {*able[: wish.acknowledging]}
    else:
        retiring = {each.name for each in failover.acknowledging(standing, members) if each.leaves and able}
    return replace(
        standing,
        retiring=tuple(name for name in standing.acknowledging if name in retiring),
        silenced=tuple(name for name in standing.silenced if name in retiring),
    )


def _with_silenced(standing: Standing, members: Mapping[str, Member]) -> Standing:
    new = [
        each.name
        for each in failover.acknowledging(standing, members)
        if each.name in standing.retiring and each.name not in standing.silenced and each.is_silenced(standing.term, standing.step)
    ]
    return replace(standing, silenced=(*standing.silenced, *new))


def _without_silenced(standing: Standing, members: Mapping[str, Member], primary: Member) -> Standing:
    if not standing.silenced or not _is_covered(standing, members, primary, primary.words):
        return standing
    return replace(
        standing,
        acknowledging=tuple(name for name in standing.acknowledging if name not in standing.silenced),
        retiring=tuple(name for name in standing.retiring if name not in standing.silenced),
        silenced=(),
    )


def _is_durable(standing: Standing, members: Mapping[str, Member], primary: Member) -> bool:
    """Whether the primary waits for acknowledgements since it obeys this decision, and a replica has what came before."""
    words = [word for word in primary.words if word.waits_for_acknowledgements]
    return standing.waits and primary.waits_for_acknowledgements and _is_covered(standing, members, primary, words)


def _is_covered(standing: Standing, members: Mapping[str, Member], primary: Member, words: Sequence[Member]) -> bool:
    """Whether one that acknowledges, so that its disk has it, has all that the primary had at some moment since it obeys this decision.

    words: of the primary, one of which is to be of such a moment. Not of one that has yet to be what it was chosen or handed for: the
    rest may have what it lacks.
    """
    if primary.role != "primary" or failover.lacks_what_was_handed(standing, primary):
        return False
    able = [members[name] for name in active(standing) if name in members]
    good = [each for each in able if each.term == standing.term and each.follows(primary.name) and each.is_intact and each.acknowledges]
    since = [word for word in words if word.obeys(standing.term, standing.step)]
    return any(each.received.covers(word.executed) for each in good for word in since)
