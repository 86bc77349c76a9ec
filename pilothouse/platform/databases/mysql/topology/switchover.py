"""From a primary that works to another one, without an error for clients that take a new connection when one is closed (pure).

New connections are led to the new primary first, where they wait; the old one ends its sessions between two transactions, then takes
no more writes, and what it has done is handed over. As long as nothing is handed over the switchover can be given up.
"""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.model import meta
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Move, Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

PATIENCE_S = 10.0
"""How long it may take until the old primary is read only."""
NEAR_S = 5.0
"""How far a replica may lag that is to be primary."""


def is_asked(wish: Wish, standing: Standing) -> bool:
    return bool(wish.switch_at) and wish.switch_at != standing.switched_at


def step(wish: Wish, standing: Standing, members: Mapping[str, Member], now: str) -> Standing:
    """Of an instance whose primary is there."""
    if standing.move.is_open:
        return _further(standing, members, now)
    primary = members.get(standing.primary) or Member(standing.primary)
    asked = is_asked(wish, standing)
    if asked and wish.switch_to == standing.primary:
        return replace(standing, switched_at=wish.switch_at)
    if not (asked or primary.leaves) or not primary.is_writable:
        return standing
    target = candidate(standing, members, wish.switch_to if asked else "")
    if target is None:
        return standing
    move = Move("switchover", wish.switch_at if asked else "", standing.primary, target.name, started_at=now)
    return replace(standing, move=move)


def candidate(standing: Standing, members: Mapping[str, Member], to: str = "") -> Member | None:
    """The named member, or the one that lags least; None when none can take over now. Those that acknowledge come first."""
    near = [
        member
        for member in members.values()
        if (not to or member.name == to)
        and member.name != standing.primary
        and not member.leaves
        and member.follows(standing.primary)
        and (member.lag_s or 0.0) <= NEAR_S
    ]
    return min(near, key=lambda member: (member.name not in standing.acknowledging, member.lag_s or 0.0), default=None)


def is_draining(standing: Standing, members: Mapping[str, Member]) -> bool:
    """Whether the old primary is to take no more: new connections wait at the new one already."""
    target = members.get(standing.move.target)
    return is_before_hand_over(standing) and target is not None and target.is_gated


def is_before_hand_over(standing: Standing) -> bool:
    return standing.move.is_open and standing.move.kind == "switchover" and not standing.move.handed


def _further(standing: Standing, members: Mapping[str, Member], now: str) -> Standing:
    move = standing.move
    target = members.get(move.target) or Member(move.target)
    if standing.primary == move.target:
        done = target.is_writable and target.term >= standing.term
        return standing.ended(now, read_only_seconds=_read_only_s(members, move, now)) if done else standing
    source = members.get(move.source) or Member(move.source)
    if source.is_drained and target.answers:
        return _handed(standing, source)
    if meta.parse_rfc3339(now) - meta.parse_rfc3339(move.started_at) > PATIENCE_S:
        return standing.ended(now, _given_up(source, target))
    return standing


def _handed(standing: Standing, source: Member) -> Standing:
    """The old primary has everything, so it acknowledges beside those that may do so still."""
    target = standing.move.target
    rest = [name for name in standing.acknowledging if name != target]
    those = (source.name, *rest) if standing.waits else ()
    move = replace(standing.move, handed=source.executed_text)
    return replace(standing, term=standing.term + 1, primary=target, acknowledging=those, move=move)


def _read_only_s(members: Mapping[str, Member], move: Move, now: str) -> float | None:
    source = members.get(move.source)
    since = source.read_only_since if source is not None else None
    if since is None or move.kind != "switchover":
        return None
    return round(max(0.0, meta.parse_rfc3339(now) - since), 3)


def _given_up(source: Member, target: Member) -> str:
    if not target.is_gated:
        return f"given up after {PATIENCE_S:g} s: {target.name} did not get ready to take over"
    return f"given up after {PATIENCE_S:g} s: {source.name} still had transactions under way"
