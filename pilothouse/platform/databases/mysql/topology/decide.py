"""One decision: the instance's standing as it should be, what each member is told, and where the Services lead (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology import acknowledgements, errant, failover, labels, reseeding, switchover
from pilothouse.platform.databases.mysql.topology.begin import begin
from pilothouse.platform.databases.mysql.topology.findings import Finding, findings
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
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


def decide(instance: Object, members: Mapping[str, Member], moment: Moment) -> Decision:
    """instance: the MySQL object, not suspended. members: those that are wanted and those whose pods are still there."""
    wish, before = Wish.of(instance), Standing.of(instance.get("status") or {})
    after = next_standing(wish, before, members, moment)
    if after != before:
        return Decision(replace(after, step=before.step + 1))
    return Decision(
        before,
        orders(wish, before, members),
        labels.primary_of(before, members),
        frozenset(labels.readable(before, members)),
        findings(wish, before, members),
    )


def next_standing(wish: Wish, standing: Standing, members: Mapping[str, Member], moment: Moment) -> Standing:
    if not standing.seeded:
        return begin(wish, standing, members)
    is_forced = wish.force and switchover.is_asked(wish, standing)
    if standing.is_electing:
        return failover.forced(wish, standing, members, moment.now) if is_forced else failover.elected(standing, members)
    if failover.why_lost(standing, members) or failover.is_unable(standing, members, moment):
        if not failover.hindrance(standing, members):
            return failover.begun(standing, moment.now)
        if is_forced:
            return failover.forced(wish, standing, members, moment.now)
    standing = replace(standing, passed_over=errant.reconciled(standing, members))
    standing = reseeding.step(wish, switchover.step(wish, standing, members, moment), members)
    standing = _recovered(standing, members, moment.now)
    return acknowledgements.kept(wish, standing, reseeding.leaving(wish, standing, members))


def _recovered(standing: Standing, members: Mapping[str, Member], now: str) -> Standing:
    """A failover ends when the new primary accepts writes."""
    move, primary = standing.move, members.get(standing.primary)
    if not move.is_open or move.kind != "failover" or primary is None or not primary.is_writable or primary.term < standing.term:
        return standing
    return standing.ended(now)
