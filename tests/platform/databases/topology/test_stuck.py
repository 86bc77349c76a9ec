"""A primary whose agent answers and sees nothing any more: replicas stay connected to it, and its writes may hang."""

import pytest

from pilothouse.platform.databases.mysql.topology.failover import why_lost
from pilothouse.platform.databases.mysql.topology.member import SILENT_S, STUCK_S, Member
from pilothouse.platform.databases.mysql.topology.standing import Standing

STANDING = Standing(term=3, primary="orders-0", acknowledging=("orders-1",), durable=True, seeded="orders-0")
REPLICA = Member("orders-1", 0.1, {"process": "running", "answers": True, "replication": {"source": "orders-0", "io": True, "sql": True}})


@pytest.mark.parametrize(("looked_ago_s", "is_lost"), [(0.5, False), (SILENT_S + 1, False), (STUCK_S + 1, True)])
def test_it_counts_as_lost_after_a_while(looked_ago_s: float, is_lost: bool) -> None:
    primary = Member("orders-0", 0.1, {"process": "running", "answers": True, "role": "primary", "looked_ago_s": looked_ago_s})
    assert bool(why_lost(STANDING, {"orders-0": primary, "orders-1": REPLICA})) == is_lost


def test_one_that_is_not_heard_at_all_is_there_as_long_as_a_replica_receives_from_it() -> None:
    primary = Member("orders-0", 60.0, {"process": "running", "answers": True, "role": "primary", "looked_ago_s": STUCK_S + 1})
    assert why_lost(STANDING, {"orders-0": primary, "orders-1": REPLICA}) == ""
