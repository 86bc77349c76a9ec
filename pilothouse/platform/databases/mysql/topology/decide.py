"""One decision: the instance's standing as it should be, what each member is told, and where the Services lead (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology import acknowledgements, failover, labels, reseeding, switchover
from pilothouse.platform.databases.mysql.topology.begin import begin
from pilothouse.platform.databases.mysql.topology.findings import Finding, findings
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.orders import Order, orders
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish


@dataclass(frozen=True, slots=True)
class Decision:
    """standing: when it differs from the one given it is written to the status first, and then decided anew; nobody is told anything
    before that. orders: by member. primary, readable: the members that the Services lead to. findings: what stands in the way.
    """

    standing: Standing
    orders: Mapping[str, Order] = field(default_factory=dict)
    primary: str = ""
    readable: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()


def decide(instance: Object, members: Mapping[str, Member], now: str) -> Decision:
    """instance: the MySQL object, not suspended. members: those that are wanted and those whose pods are still there. now: RFC 3339."""
    wish, before = Wish.of(instance), Standing.of(instance.get("status") or {})
    after = next_standing(wish, before, members, now)
    if after != before:
        return Decision(replace(after, step=before.step + 1))
    return Decision(
        before,
        orders(wish, before, members),
        labels.primary_of(before, members),
        frozenset(labels.readable(before, members)),
        findings(wish, before, members),
    )


def next_standing(wish: Wish, standing: Standing, members: Mapping[str, Member], now: str) -> Standing:
    if not standing.seeded:
        return begin(wish, standing, members)
    if standing.is_electing:
        again = wish.force and switchover.is_asked(wish, standing)
        return failover.forced(wish, standing, members, now) if again else failover.elected(standing, members)
    if failover.why_lost(standing, members):
        if not failover.hindrance(standing, members):
            return failover.begun(standing, now)
        if wish.force and switchover.is_asked(wish, standing):
            return failover.forced(wish, standing, members, now)
    standing = reseeding.step(wish, switchover.step(wish, standing, members, now), members)
    return acknowledgements.kept(wish, _recovered(standing, members, now), members)


def _recovered(standing: Standing, members: Mapping[str, Member], now: str) -> Standing:
    """A failover ends when the new primary accepts writes."""
    move, primary = standing.move, members.get(standing.primary)
    if not move.is_open or move.kind != "failover" or primary is None or not primary.is_writable or primary.term < standing.term:
        return standing
    return standing.ended(now)
