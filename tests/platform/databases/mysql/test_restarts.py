"""Whose pod may be made anew, and when."""

from dataclasses import replace
from typing import Any

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, restarts
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing

DURABLE = Standing(1, "a-0", ("a-1", "a-2"), durable=True, seeded="a-0")


def primary(name: str = "a-0", **state: Any) -> Member:
    made: Object = {
        "process": "running",
        "answers": True,
        "role": "primary",
        "writable": True,
        "semi_sync": {"on": True, "acknowledging": 1},
    }
    return Member(name, 0.1, made | state)


def replica(name: str, *, acknowledges: bool = True, **replication: Any) -> Member:
    followed: Object = {"source": "a-0.a-members.ns.svc", "io": True, "sql": True, "intact": True} | replication
    made: Object = {"process": "running", "answers": True, "role": "replica", "replication": followed}
    return Member(name, 0.1, made | {"semi_sync": {"acknowledges": acknowledges}})


def members(*found: Member) -> dict[str, Member]:
    return {each.name: each for each in found}


def pod(name: str, state: str) -> Object:
    return {"metadata": {"name": name, "annotations": {labels.STATE: state}}}


def test_those_that_are_not_as_wanted_are_outdated() -> None:
    assert restarts.outdated({"a-0": pod("a-0", "old"), "a-1": pod("a-1", "new")}, "new") == ["a-0"]


def test_a_single_member_is_made_anew_at_once() -> None:
    assert restarts.due(Standing(1, "a-0", seeded="a-0"), ["a-0"], members(primary())) == "a-0"


def test_a_replica_goes_once_nobody_waits_for_its_acknowledgement() -> None:
    old = ["a-1", "a-2", "a-0"]
    still = members(primary(), replica("a-1"), replica("a-2"))
    spared = members(primary(), replica("a-1", acknowledges=False), replica("a-2"))
    assert restarts.due(DURABLE, old, still) == ""
    assert restarts.due(DURABLE, old, spared) == "a-1"


def test_a_replica_stays_while_another_member_is_not_well() -> None:
    old = ["a-1", "a-2", "a-0"]
    going = replica("a-1", acknowledges=False)
    assert restarts.due(DURABLE, old, members(primary(), going, replica("a-2", io=False))) == ""
    assert restarts.due(DURABLE, old, members(primary(), going, replica("a-2", acknowledges=False))) == ""
    for heard in (0, 2):
        assert restarts.due(DURABLE, old, members(primary(semi_sync={"on": True, "acknowledging": heard}), going, replica("a-2"))) == ""


def test_a_replica_stays_while_another_one_is_far_behind() -> None:
    """Which would be the only one to acknowledge."""
    old, going = ["a-1", "a-0"], replica("a-1", acknowledges=False)
    primary_has, near, far = ({"executed": f"0-1-{number}"} for number in (9000, 8000, 5000))
    for lag_s, position, is_due in ((0.0, near, True), (0.0, far, False), (60.0, near, False)):
        behind = replica("a-2", lag_s=lag_s)
        behind = replace(behind, state={**(behind.state or {}), "gtid": position})
        assert bool(restarts.due(DURABLE, old, members(primary(gtid=primary_has), going, behind))) == is_due


def test_a_primary_with_replicas_hands_over_before_it_is_made_anew() -> None:
    found = members(primary(), replica("a-1"), replica("a-2"))
    assert restarts.leaving(DURABLE, ["a-0"], found) == "a-0"
    assert restarts.due(DURABLE, ["a-0"], found) == ""


def test_those_that_do_not_run_as_they_were_made_go_first_whoever_else_is_well() -> None:
    silent = members(Member("a-0"), Member("a-1"), Member("a-2"))
    old = ["a-0", "a-1", "a-2"]
    assert restarts.due(DURABLE, old, silent) == ""
    assert restarts.due(DURABLE, old, silent, ["a-1", "a-2"]) == "a-1"
    assert restarts.due(DURABLE, ["a-0"], silent, ["a-1", "a-2"]) == ""


def test_nobody_leaves_while_the_one_before_is_not_back() -> None:
    back, away = replica("a-1"), Member("a-1")
    starts = Member("a-1", 0.1, {"process": "starting"})
    deaf = replica("a-1", acknowledges=False)
    for old in (["a-2", "a-0"], ["a-0"]):
        for before in (away, starts, deaf):
            assert restarts.leaving(DURABLE, old, members(primary(), before, replica("a-2"))) == ""
        assert restarts.leaving(DURABLE, old, members(primary(), back, replica("a-2"))) == old[0]
