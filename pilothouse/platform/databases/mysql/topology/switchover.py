"""From a primary that works to another one, without an error for clients that take a new connection when one is closed (pure).

New connections are led to the new primary first, where they wait; the old one ends its sessions between two transactions, then takes
no more writes, and what it has done is handed over. As long as nothing is handed over the switchover can be given up.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.standing import Move, Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

PATIENCE_S = 10.0
"""How long it may take until the old primary is read only."""
PAUSE_S = 30.0
"""After one that was given up, before it is tried again for a member that leaves."""
NEAR_S = 5.0
"""How far a replica may lag that is to be primary."""


def is_asked(wish: Wish, standing: Standing) -> bool:
    return bool(wish.switch_at) and wish.switch_at != standing.switched_at


def step(wish: Wish, standing: Standing, members: Mapping[str, Member], moment: Moment) -> Standing:
    """Of an instance whose primary is there."""
    if standing.move.is_open:
        return _further(standing, members, moment)
    primary = members.get(standing.primary) or Member(standing.primary)
    asked = is_asked(wish, standing)
    if asked and wish.switch_to == standing.primary:
        return replace(standing, switched_at=wish.switch_at)
    if not (asked or (primary.leaves and not is_resting(standing, moment))) or not primary.is_writable:
        return standing
    target = candidate(standing, members, wish.switch_to if asked else "")
    if target is None:
        return standing
    move = Move("switchover", wish.switch_at if asked else "", standing.primary, target.name, started_at=moment.now)
    return replace(standing, move=move)


def candidate(standing: Standing, members: Mapping[str, Member], to: str = "") -> Member | None:
    """The named member, or the one that lags least; None when none can take over now. Those that acknowledge come first."""
    near = [
        member
        for member in members.values()
        if (not to or member.name == to)
        and member.name not in (standing.primary, *standing.passed_over)
        and not member.leaves
        and member.follows(standing.primary)
        and (member.lag_s or 0.0) <= NEAR_S
    ]
    return min(near, key=lambda member: (member.name not in standing.acknowledging, member.lag_s or 0.0), default=None)


def is_resting(standing: Standing, moment: Moment) -> bool:
    """Whether one that nobody asked for was given up just now: what stood in its way stands there still."""
    move = standing.move
    return move.kind == "switchover" and bool(move.message) and not move.is_open and moment.same_s < PAUSE_S


def is_draining(standing: Standing) -> bool:
    """Whether the old primary is to take no more: new connections wait at the new one already."""
    return is_before_hand_over(standing) and standing.move.drains


def is_before_hand_over(standing: Standing) -> bool:
    return standing.move.is_open and standing.move.kind == "switchover" and not standing.move.handed


def _further(standing: Standing, members: Mapping[str, Member], moment: Moment) -> Standing:
    move = standing.move
    target = members.get(move.target) or Member(move.target)
    source = members.get(move.source) or Member(move.source)
    if standing.primary == move.target:
        done = target.is_writable and target.term >= standing.term
        return standing.ended(moment.now, read_only_seconds=_read_only_s(move, source)) if done else standing
    # Sessions that end before the cluster tells that the Service leads there would come back to the old one, which takes no more writes.
    if not move.drains and target.is_gated and target.is_led:
        return replace(standing, move=replace(move, drains=True))
    # A word of an earlier decision may be of a drain that was given up, and after which more was written.
    if move.drains and source.is_drained and source.obeys(standing.term, standing.step) and target.answers:
        return _handed(standing, source)
    if moment.same_s > PATIENCE_S:
        return standing.ended(moment.now, _given_up(source, target))
    return standing


def _handed(standing: Standing, source: Member) -> Standing:
    """The old primary has everything, so it acknowledges beside those that may do so still."""
    target = standing.move.target
    rest = [name for name in standing.acknowledging if name not in (source.name, target)]
    those = (source.name, *rest) if standing.waits else ()
    move = replace(standing.move, handed=source.executed_text)
    new = replace(standing, term=standing.term + 1, primary=target, acknowledging=those, move=move)
    return replace(new, retiring=(), silenced=())


def _read_only_s(move: Move, source: Member) -> float | None:
    found = source.read_only_s if move.kind == "switchover" else None
    return None if found is None else round(found, 3)


def _given_up(source: Member, target: Member) -> str:
    if not target.is_gated:
        return f"given up after {PATIENCE_S:g} s: {target.name} did not get ready to take over"
    return f"given up after {PATIENCE_S:g} s: {source.name} still had transactions under way"
