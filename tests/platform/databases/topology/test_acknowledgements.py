from dataclasses import replace
from typing import Any

import pytest

from pilothouse.platform.databases.mysql.topology.acknowledgements import kept
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

STANDING = Standing(term=1, primary="db-0", seeded="db-0")


def primary(executed: str = "0-1-9", *, waits: bool = True) -> Member:
    state = {"process": "running", "answers": True, "role": "primary", "writable": True, "term": 1, "data": "ready"}
    return Member("db-0", 0.1, state | {"gtid": {"executed": executed}, "semi_sync": {"on": waits}})


def replica(name: str, received: str = "0-1-9", *, intact: bool = True, **state: Any) -> Member:
    replication = {"source": "db-0.members", "io": True, "sql": True, "lag_s": 0.0, "intact": intact}
    said = {"process": "running", "answers": True, "role": "replica", "term": 1, "data": "ready", "replication": replication}
    gtid = {"executed": received, "received": received}
    return Member(name, 0.1, said | {"gtid": gtid, "semi_sync": {"acknowledges": True}} | state)


def standing_of(*members: Member, replicas: int = 3, before: Standing = STANDING) -> Standing:
    return kept(Wish("db", replicas), before, {member.name: member for member in members})


def test_two_replicas_that_have_caught_up_acknowledge() -> None:
    found = standing_of(primary(), replica("db-1", intact=False), replica("db-2"), replica("db-3"), replica("db-4"), replicas=5)
    assert found.acknowledging == ("db-2", "db-3")


@pytest.mark.parametrize(
    ("members", "durable"),
    [
        ((primary(), replica("db-1")), True),
        ((primary(waits=False), replica("db-1")), False),
        ((primary(), replica("db-1", "0-1-8")), False),
        ((primary(),), False),
    ],
)
def test_an_instance_is_durable_once_the_primary_waits_and_a_replica_has_what_came_before(
    members: tuple[Member, ...], durable: bool
) -> None:
    assert standing_of(*members, before=replace(STANDING, acknowledging=("db-1",))).durable is durable


def test_a_replica_that_is_gone_is_replaced_once_it_is_certainly_silent() -> None:
    before = replace(STANDING, acknowledging=("db-1", "db-2", "db-3"), durable=True)
    gone = Member("db-1", 99.0, replica("db-1").state)
    others = (primary(), replica("db-2"), replica("db-3"))
    assert standing_of(gone, *others, replicas=5, before=before).acknowledging == before.acknowledging
    ended = Member("db-1", 0.1, {"process": "ended", "data": "ready", "told": {"acknowledges": True}})
    assert standing_of(ended, *others, replicas=5, before=before).acknowledging == before.acknowledging
    told = Member("db-1", 0.1, {"process": "ended", "data": "ready", "told": {"acknowledges": False}})
    assert standing_of(told, *others, replicas=5, before=before).acknowledging == ("db-2", "db-3")
    new = Member("db-1", 0.1, {"process": "absent", "data": "ready", "told": None})
    assert standing_of(new, *others, replicas=5, before=before).acknowledging == ("db-2", "db-3")


def test_a_replica_stays_in_the_list_until_another_one_has_what_it_has() -> None:
    before = replace(STANDING, acknowledging=("db-1", "db-2", "db-3"), durable=True)
    ended = Member("db-1", 0.1, {"process": "ended", "data": "ready"})
    behind = (primary(), replica("db-2", "0-1-8"), replica("db-3", "0-1-8"))
    assert standing_of(ended, *behind, replicas=5, before=before).acknowledging == before.acknowledging


def test_one_that_is_to_go_stays_until_it_has_said_that_it_acknowledges_no_more() -> None:
    before = replace(STANDING, acknowledging=("db-1", "db-2", "db-3"), durable=True)
    leaving = replace(replica("db-1"), leaves=True)
    others = (primary(), replica("db-2"), replica("db-3"))
    assert standing_of(leaving, *others, before=before).acknowledging == before.acknowledging
    silent = replace(replica("db-1", semi_sync={"acknowledges": False}, told={"acknowledges": False}), leaves=True)
    assert standing_of(silent, *others, before=before).acknowledging == ("db-2", "db-3")


def test_a_single_member_waits_for_nobody() -> None:
    before = replace(STANDING, acknowledging=("db-1",), durable=True)
    assert standing_of(primary(), replica("db-1"), replicas=1, before=replace(before, waits=True)) == STANDING
