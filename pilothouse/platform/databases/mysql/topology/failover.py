"""From a primary that is gone to another one (pure).

A transaction is acknowledged once one of the acknowledging replicas has it. When all of those have stopped to receive, the old
primary, wherever it is and whoever still reaches it, can acknowledge nothing more, and the one of them that has most has everything.
No clock and no lease is needed for that, only that each of them says at the new term that it has stopped.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology.gtid import parse
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.standing import Move, Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

UNABLE_S = 10.0
"""So long a new primary may lack what it is to go on from: its source may come back and send it."""


def why_lost(standing: Standing, members: Mapping[str, Member]) -> str:
    """Why the primary counts as gone; "" when it does not. One whose agent is silent is there as long as a replica receives from it."""
    primary = members.get(standing.primary) or Member(standing.primary)
    if primary.is_heard:
        return _ended(primary)
    if primary.has_stuck_agent:
        return "has an agent that hangs, as it does when the volume hangs"
    receiving = [each for each in acknowledging(standing, members) if each.source == primary.name and each.receives]
    return "" if receiving else "is not heard of"


def _ended(primary: Member) -> str:
    if primary.data == "empty":
        return "has an empty volume"
    if primary.has_ended:
        return "has a server that has ended"
    return "has a server that does not answer" if primary.is_stuck else ""


def is_unable(standing: Standing, members: Mapping[str, Member], moment: Moment) -> bool:
    """Whether a new primary can never accept writes: what it was chosen for, or was handed, is not there, and nobody sends it.

    It has acknowledged nothing in its term, so those that may have before decide anew.
    """
    return is_without_source(standing, members) and moment.same_s >= UNABLE_S


def is_without_source(standing: Standing, members: Mapping[str, Member]) -> bool:
    """Whether a new primary lacks what it is to go on from, and receives nothing."""
    primary = members.get(standing.primary)
    if primary is None or not primary.answers or primary.receives or not primary.obeys(standing.term, standing.step):
        return False
    return standing.move.is_open and lacks_what_was_handed(standing, primary)


def lacks_what_was_handed(standing: Standing, primary: Member) -> bool:
    move = standing.move
    return move.target == primary.name and not primary.received.covers(parse(move.handed))


def acknowledging(standing: Standing, members: Mapping[str, Member]) -> list[Member]:
    return [members.get(name) or Member(name) for name in standing.acknowledging]


def hindrance(standing: Standing, members: Mapping[str, Member]) -> str:
    """Why no replica may take over, so that the primary must come back itself; "" when one may."""
    if not standing.durable or not standing.acknowledging:
        return "no replica is known to have every acknowledged transaction"
    for member in acknowledging(standing, members):
        if not member.answers:
            return f"{member.name} does not answer, and may be the only one that has the last transactions"
        if not member.is_intact:
            return f"{member.name} has restarted since it acknowledged, and has not caught up"
    return ""


def begun(standing: Standing, now: str) -> Standing:
    """One that had yet to receive what it was handed comes back as the primary with no less than that."""
    handed = standing.move.handed if standing.move.is_open else ""
    move = Move("failover", source=standing.primary, started_at=now, handed=handed)
    return replace(standing, term=standing.term + 1, primary="", move=move, retiring=(), silenced=())


def forced(wish: Wish, standing: Standing, members: Mapping[str, Member], now: str) -> Standing:
    """Among the replicas that answer, whatever the others may have: asked for by `force`.

    From then on an old primary's transactions may be acknowledged ones that nobody else has.
    """
    left = [name for name in members if name != standing.primary and members[name].answers]
    if not left:
        return standing
    move = Move("failover", wish.switch_at, standing.primary, started_at=now)
    new = replace(standing, term=standing.term + 1, primary="", acknowledging=tuple(left), move=move, switched_at=wish.switch_at)
    return replace(new, retiring=(), silenced=(), passed_over=())


def elected(standing: Standing, members: Mapping[str, Member]) -> Standing:
    """With the new primary once it is certain who has most; the old one again when a replica has gone meanwhile and it is there."""
    voters = acknowledging(standing, members)
    if all(member.answers and (member.is_intact or standing.move.at) for member in voters):
        fenced = all(member.fence_term == standing.term for member in voters)
        return _chosen(standing, voters, members) if fenced else standing
    old = members.get(standing.move.source)
    if old is not None and old.is_heard and old.has_data and not old.leaves and not standing.move.at:
        return replace(standing, primary=old.name, move=replace(standing.move, target=old.name))
    return standing


def _chosen(standing: Standing, voters: list[Member], members: Mapping[str, Member]) -> Standing:
    """What the new primary alone has was acknowledged, too: until one of the rest has it no other may take over from it.

    What others have beside is what the old primary wrote, and sent to replicas that do not acknowledge, before anybody acknowledged it.
    """
    best = best_of(voters)
    if best is None:
        return standing
    rest = [member for member in voters if member.name != best.name]
    return replace(
        standing,
        primary=best.name,
        acknowledging=tuple(member.name for member in rest),
        durable=any(member.received.covers(best.received) for member in rest),
        passed_over=() if standing.move.at else tuple(sorted({*standing.passed_over, *members} - {each.name for each in voters})),
        move=replace(standing.move, target=best.name, handed=best.received_text),
    )


def best_of(voters: list[Member]) -> Member | None:
    """The one that has all that the others have; of equals one that applies it, and stays. None when their histories differ."""
    best = [member for member in voters if all(member.received.covers(other.received) for other in voters)]
    return min(best, key=lambda member: (not member.applies, member.leaves), default=None)
