"""What each member is told of its role: a part of the document that its agent obeys (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology import acknowledgements, reseeding, switchover
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
    """By member. None for those that nothing can be said to yet: of an instance that has no primary and never had one.

    What safety rests on (term, step, role, source, who acknowledges, who drains and whether commits wait) follows from the standing alone,
    so that all orders of one step agree in it, whoever sends them and whenever they come.
    """
    if not standing.primary and not standing.is_electing:
        return {}
    return {name: replace(_order(wish, standing, members, member), step=standing.step) for name, member in members.items()}


def _order(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> Order:
    if standing.is_electing:
        return _while_electing(standing, member)
    if member.name == standing.primary:
        return _of_primary(wish, standing, member)
    return _of_replica(wish, standing, members, member)


def _while_electing(standing: Standing, member: Member) -> Order:
    """The replicas stop to receive. The old primary is killed, and keeps what it has in case that it is needed after all."""
    if member.name == standing.move.source:
        return Order(standing.term, "stopped")
    return Order(standing.term, "replica", acknowledges=member.name in standing.acknowledging)


def _of_primary(wish: Wish, standing: Standing, member: Member) -> Order:
    seed = "" if standing.seeded else "pushed" if wish.restores else "empty"
    handed = standing.move.handed if standing.move.target == member.name else ""
    drain = switchover.is_draining(standing) and standing.move.source == member.name
    return Order(standing.term, "primary", semi_sync=standing.waits, drain=drain, promote_after=handed, seed=seed)


def _of_replica(wish: Wish, standing: Standing, members: Mapping[str, Member], member: Member) -> Order:
    order = Order(
        standing.term,
        "replica",
        source=standing.primary,
        acknowledges=member.name in acknowledgements.active(standing),
        handed=standing.move.handed if standing.move.target == standing.primary else "",
        graceful=standing.move.source == member.name and standing.move.kind == "switchover" and bool(standing.move.handed),
        gate=switchover.is_before_hand_over(standing) and standing.move.target == member.name,
        reseed=reseeding.order(wish, standing, members, member),
    )
    donor = _donor(standing, members, member)
    return replace(order, seed="clone", donor=donor) if standing.seeded and donor else order


def _donor(standing: Standing, members: Mapping[str, Member], member: Member) -> str:
    """A replica that is near spares the primary the work."""
    near = [
        each.name
        for each in members.values()
        if each.name != member.name and each.follows(standing.primary) and (each.lag_s or 0.0) <= switchover.NEAR_S
    ]
    primary = members.get(standing.primary)
    return near[0] if near else standing.primary if primary is not None and primary.answers else ""
