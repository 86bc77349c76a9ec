"""How an instance is brought to a stand (pure): the primary first, so that what it has still to send is received."""

from collections.abc import Mapping

from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.orders import Order
from pilothouse.platform.databases.mysql.topology.standing import Standing


def orders(standing: Standing, members: Mapping[str, Member]) -> dict[str, Order]:
    stop = Order(standing.term, "stopped", graceful=True, step=standing.step)
    primary = members.get(standing.primary)
    if primary is not None and not is_still(primary):
        return {primary.name: stop}
    return dict.fromkeys(members, stop)


def is_still(member: Member) -> bool:
    """One whose agent is not heard of is stopped by the end of its pod."""
    return member.has_ended or not member.is_heard
