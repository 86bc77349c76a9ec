"""What each member is told of its role: a part of the document that its agent obeys (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology import acknowledgements, reseeding, switchover
from pilothouse.platform.databases.mysql.topology.errant import is_behind_the_logs, is_unacknowledged
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish


@dataclass(frozen=True, slots=True)
class Order:
    """See the agent's API. source, donor: names of members."""

    term: int
    role: str
    source: str = ""
    acknowledges: bool = False
    semi_sync: bool = False
    graceful: bool = False
    gate: bool = False
    drain: bool = False
    promote_after: str = ""
    handed: str = ""
    seed: str = ""
    donor: str = ""
    reseed: str = ""
    step: int = 0

    def document(self) -> Object:
        """Its part of the document, without addresses, which the operator adds for `source` and `donor`."""
        return {
            "term": self.term,
            "step": self.step,
            "role": self.role,
            "acknowledges": self.acknowledges,
            "semi_sync": self.semi_sync,
            "graceful": self.graceful,
            "gate": self.gate,
            "drain": self.drain,
            "promote_after": self.promote_after,
            "handed": self.handed,
            "reseed": self.reseed,
        }


def orders(wish: Wish, standing: Standing, members: Mapping[str, Member]) -> dict[str, Order]:
    """By member. None for those that nothing can be said to yet: of an instance that has no primary and never had one."""
    if not standing.primary and not standing.is_electing:
        return {}
    return {name: replace(_order(wish, standing, members, member), step=standing.step) for name, member in members.items()}


def _order(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> Order:
    if standing.is_electing:
        return _while_electing(standing, member)
    if member.name == standing.primary:
        return _of_primary(wish, standing, members, member)
    return _of_replica(wish, standing, members, member)


def _while_electing(standing: Standing, member: Member) -> Order:
    """The replicas stop to receive. The old primary is killed, and keeps what it has in case that it is needed after all."""
    if member.name == standing.move.source:
        return Order(standing.term, "stopped")
    return Order(standing.term, "replica", acknowledges=member.name in standing.acknowledging)


def _of_primary(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> Order:
    seed = "" if standing.seeded else "pushed" if wish.restores else "empty"
    handed = standing.move.handed if standing.move.target == member.name else ""
    semi_sync = wish.replicas > 1 and standing.waits
    drain = switchover.is_draining(standing, members) and standing.move.source == member.name
    return Order(standing.term, "primary", semi_sync=semi_sync, drain=drain, promote_after=handed, seed=seed)


def _of_replica(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> Order:
    order = Order(
        standing.term,
        "replica",
        source=standing.primary,
        acknowledges=member.name in acknowledgements.wanted(wish, standing, members),
        handed=standing.move.handed if standing.move.target == standing.primary else "",
        graceful=standing.move.source == member.name and standing.move.kind == "switchover" and bool(standing.move.handed),
        gate=switchover.is_before_hand_over(standing) and standing.move.target == member.name,
        reseed=_reseed(wish, standing, members, member),
    )
    donor = _donor(standing, members, member)
    return replace(order, seed="clone", donor=donor) if standing.seeded and donor else order


def _reseed(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> str:
    """Names the occasion on which its data is copied anew.

    It is asked for, or the member is behind what the primary keeps and has nothing of its own, or it was the primary and what it alone
    has was never acknowledged. The member carries an occasion out once, so one that comes again gets another name.
    """
    if reseeding.is_due(wish, standing, members) and wish.reseed_member == member.name:
        return wish.reseed_at
    if is_behind_the_logs(standing, members, member):
        return _occasion(f"behind-{standing.term}", member)
    return _occasion(f"errant-{standing.term}", member) if is_unacknowledged(standing, members, member) else ""


def _occasion(name: str, member: Member) -> str:
    return f"{name}-again" if member.reseeded == name else name


def _donor(standing: Standing, members: Mapping[str, Member], member: Member) -> str:
    """A replica that is near spares the primary the work."""
    near = [
        each.name
        for each in members.values()
        if each.name != member.name and each.follows(standing.primary) and (each.lag_s or 0.0) <= switchover.NEAR_S
    ]
    primary = members.get(standing.primary)
    return near[0] if near else standing.primary if primary is not None and primary.answers else ""
