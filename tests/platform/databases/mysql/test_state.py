"""What an agent may say of its member, and what is not believed."""

import json

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.state import MalformedState, checked
from pilothouse.platform.databases.mysql.topology.begin import MOST_AHEAD, begin
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish

WHOLE: Object = {
    "sequence": 17,
    "member": "orders-0",
    "uid": "u-1",
    "term": 3,
    "wanted": "ab",
    "applied": True,
    "doing": "",
    "error": "",
    "data": "ready",
    "process": "running",
    "ended": None,
    "role": "replica",
    "writable": False,
    "answers": True,
    "unanswered_s": 0.0,
    "looked_ago_s": 0.2,
    "read_only_s": None,
    "told": {"acknowledges": True, "step": 4},
    "gtid": {"executed": "0-1-55", "received": "0-1-57", "state": "0-1-55"},
    "replication": {"source": "orders-1", "port": 3306, "io": True, "sql": True, "lag_s": None, "error": "", "errno": 0, "intact": True},
    "semi_sync": {"on": False, "acknowledging": 0, "waiting": 0, "acknowledges": True},
    "objects": {"account/shop": {"version": "1", "error": "", "partial": False}},
    "disk": {"size": 1 << 30, "free": 1 << 29},
    "limits": {"memory_bytes": 1 << 29, "cpu_millis": 500},
    "pending_restart": ["sql_mode"],
    "rejected": {"nosuch": "there is none"},
    "uptime_s": 12,
}


def test_a_whole_state_is_taken_as_it_is() -> None:
    assert checked(WHOLE, "orders-0") == WHOLE


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sequence": "17"}, "sequence"),
        ({"sequence": None}, "sequence"),
        ({"sequence": True}, "sequence"),
        ({"member": "orders-1"}, "another member"),
        ({"term": "x"}, "term"),
        ({"term": 10**30}, "term"),
        ({"term": -1}, "term"),
        ({"role": "king"}, "role"),
        ({"process": ["running"]}, "process"),
        ({"answers": "yes"}, "answers"),
        ({"semi_sync": "x"}, "semi_sync"),
        ({"replication": []}, "replication"),
        ({"replication": {"errno": "1236"}}, "replication.errno"),
        ({"replication": {"lag_s": float("nan")}}, "replication.lag_s"),
        ({"replication": {"stopped_io_at_term": 1.5}}, "replication.stopped_io_at_term"),
        ({"gtid": {"executed": 5}}, "gtid.executed"),
        ({"uptime_s": 1e300}, "uptime_s"),
        ({"read_only_s": "now"}, "read_only_s"),
        ({"disk": {"free": -1}}, "disk.free"),
        ({"objects": {"account/shop": "made"}}, "objects"),
        ({"pending_restart": [1]}, "pending_restart"),
        ({"error": "x" * 10_000}, "error"),
        ({"told": {"acknowledges": 1}}, "told.acknowledges"),
        ({"told": {"step": "4"}}, "told.step"),
        ({"gtid": {"executed": "0-1-1," * 2000}}, "gtid.executed"),
        ({"rejected": {str(i): "no" for i in range(2000)}}, "rejected"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(changes: Object, named: str) -> None:
    with pytest.raises(MalformedState, match=named):
        checked(WHOLE | changes, "orders-0")


@pytest.mark.parametrize("place", ["error", "doing", "replication", "objects", "pending_restart"])
def test_what_is_said_is_as_long_as_may_be_shown(place: str) -> None:
    long = "x" * 8000
    said = {"replication": {"error": long}, "objects": {"account/shop": {"error": long}}, "pending_restart": [long]}
    assert len(json.dumps(checked(WHOLE | {place: said.get(place, long)}, "orders-0"))) < 3000


@pytest.mark.parametrize(("said", "term"), [(41, 42), (MOST_AHEAD, MOST_AHEAD + 1), (MOST_AHEAD + 1, 1), (1 << 52, 1)])
def test_a_term_from_nowhere_does_not_get_into_the_status(said: int, term: int) -> None:
    member = Member("orders-0", 0.0, {"term": said, "data": "empty"})
    assert begin(Wish("orders", 1), Standing(), {"orders-0": member}).term == term
