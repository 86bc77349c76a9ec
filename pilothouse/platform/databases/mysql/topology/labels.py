"""Labels of the members' pods, which the Services of an instance go by (pure)."""

from collections.abc import Mapping

from pilothouse.platform.databases.mysql.topology import switchover
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing

READABLE_S = 10.0
"""How far a replica may lag that the reading Service leads to."""


def primary_of(standing: Standing, members: Mapping[str, Member]) -> str:
    """The member that the writing Service leads to; "" for none. In a switchover the new one before it accepts writes."""
    target = members.get(standing.move.target)
    if switchover.is_before_hand_over(standing) and target is not None and target.is_gated:
        return target.name
    primary = members.get(standing.primary)
    if primary is None:
        return ""
    move = standing.move
    taking_over = move.is_open and move.kind == "switchover" and move.target == primary.name and bool(move.handed)
    return primary.name if primary.is_writable or primary.refuses or not primary.is_heard or taking_over else ""


def readable(standing: Standing, members: Mapping[str, Member]) -> set[str]:
    near = {
        member.name
        for member in members.values()
        if member.follows(standing.primary)
        and member.name != standing.primary
        and (member.lag_s or 0.0) <= READABLE_S
        and not member.leaves
    }
    return near or {standing.primary} - {""}
