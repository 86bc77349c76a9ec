"""Which replicas acknowledge, and when one of them is certainly not needed any more."""

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.platform.databases.mysql.topology.acknowledgements import kept
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

STANDING = Standing(term=1, primary="db-0", seeded="db-0")


def primary(executed: str = "0-1-9", *, waits: bool = True, step: int = 0) -> Member:
    told = {"acknowledges": False, "step": step}
    state = {"process": "running", "answers": True, "role": "primary", "writable": True, "term": 1, "data": "ready", "told": told}
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
    assert standing_of(*members, before=replace(STANDING, acknowledging=("db-1",), waits=True)).durable is durable


@pytest.mark.parametrize(
    ("earlier", "durable"),
    [(primary("0-1-7"), True), (primary("0-1-7", waits=False), False), (primary("0-1-7", step=9), False), (primary("0-1-9"), False)],
)
def test_under_constant_writes_an_earlier_word_of_the_primary_shows_what_a_replica_has(earlier: Member, durable: bool) -> None:
    """The replica was asked first in each round, and is behind each time. Only a word under this decision counts, by one that waited."""
    writes = replace(primary("0-1-9"), earlier=earlier)
    before = replace(STANDING, acknowledging=("db-1",), waits=True)
    assert standing_of(writes, replica("db-1", "0-1-8"), before=before).durable is durable


LEAVING = replace(STANDING, acknowledging=("db-1", "db-2", "db-3"), durable=True, waits=True, step=4)
OTHERS = (primary(step=4), replica("db-2"), replica("db-3"))


def silent(process: str = "ended", *, step: int = 4, acknowledges: bool = False, **state: Any) -> Member:
    told = {"acknowledges": acknowledges, "step": step}
    return Member("db-1", 0.1, {"process": process, "data": "ready", "term": 1, "told": told} | state)


def test_one_that_is_gone_is_told_to_cease_once_there_are_enough_others() -> None:
    gone = Member("db-1", 99.0, replica("db-1").state)
    found = standing_of(gone, *OTHERS, replicas=5, before=LEAVING)
    assert (found.acknowledging, found.retiring, found.silenced) == (LEAVING.acknowledging, ("db-1",), ())


@pytest.mark.parametrize(
    ("member", "is_silenced"),
    [
        (silent(), True),
        (silent("running", answers=True), True),
        (silent("running", answers=True, semi_sync={"acknowledges": True}), False),  # not carried out yet
        (silent("running", answers=False), False),  # who knows what it acknowledges
        (silent(acknowledges=True), False),  # its agent starts it by that order
        (silent(step=3), False),  # told before it was decided, and perhaps something else since
        (silent("absent", told=None), False),  # its agent may still be told something older
        (replace(silent(), heard_ago_s=9.0), False),
    ],
)
def test_one_that_is_told_to_cease_is_silenced_when_it_says_so_under_that_decision(member: Member, *, is_silenced: bool) -> None:
    found = standing_of(member, *OTHERS, replicas=5, before=replace(LEAVING, retiring=("db-1",)))
    assert (found.acknowledging, found.silenced) == (LEAVING.acknowledging, ("db-1",) if is_silenced else ())


@pytest.mark.parametrize(
    ("others", "leaves"),
    [
        (OTHERS, True),
        ((primary(step=3), *OTHERS[1:]), False),  # of a moment when db-1 may have acknowledged still
        ((primary("0-1-10", step=4), *OTHERS[1:]), False),
        ((OTHERS[0], replica("db-2", intact=False), replica("db-3", "0-1-8")), False),
    ],
)
def test_one_that_is_silenced_leaves_the_list_once_another_one_has_what_the_primary_had_after_that(
    others: tuple[Member, ...], *, leaves: bool
) -> None:
    found = standing_of(silent(), *others, replicas=5, before=replace(LEAVING, retiring=("db-1",), silenced=("db-1",)))
    assert found.acknowledging == (("db-2", "db-3") if leaves else LEAVING.acknowledging)


def test_one_that_is_to_go_leaves_also_when_there_are_fewer_than_should_acknowledge() -> None:
    before = replace(LEAVING, acknowledging=("db-1", "db-2"))
    leaving = replace(replica("db-1"), leaves=True)
    assert standing_of(leaving, primary(step=4), replica("db-2"), before=before).retiring == ("db-1",)
    assert standing_of(leaving, primary(step=4), before=before).retiring == ()


def test_one_that_is_needed_again_is_told_to_acknowledge_again() -> None:
    before = replace(LEAVING, retiring=("db-1",), silenced=("db-1",))
    found = standing_of(silent(), primary("0-1-10", step=4), replica("db-2"), Member("db-3"), replicas=5, before=before)
    assert (found.retiring, found.silenced) == ((), ())


def test_a_single_member_waits_for_nobody() -> None:
    before = replace(STANDING, acknowledging=("db-1",), durable=True)
    assert standing_of(primary(), replica("db-1"), replicas=1, before=replace(before, waits=True)) == STANDING
