"""Members whose history differs from the primary's: what is said of them, and when their data go."""

from dataclasses import replace
from typing import Any

import pytest

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql.topology.decide import Decision, decide
from pilothouse.platform.databases.mysql.topology.errant import AWAY_S
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment

TERM, STEP = 2, 5
A, B, C = (f"{letter * 8}-1111-2222-3333-444444444444" for letter in "abc")


def state(executed: str, received: str = "", own: str = "", **changes: Any) -> Object:
    """Of a replica of orders-1 that is connecting to it."""
    found = {
        "term": TERM,
        "role": "replica",
        "data": "ready",
        "process": "running",
        "answers": True,
        "told": {"step": STEP, "acknowledges": False},
        "gtid": {"executed": executed, "received": received, "state": own},
        "replication": {"source": "orders-1", "io": False, "sql": True, "intact": True},
    }
    return found | changes


def refused(executed: str, own: str = "") -> Object:
    replication = {"source": "orders-1", "io": False, "sql": True, "errno": 1236, "error": "it is not in the master's binlog"}
    return state(executed, own=own, replication=replication)


def primary(executed: str, own: str = "", received: str = "", *, writable: bool = True) -> Member:
    told = {"role": "primary", "writable": writable, "semi_sync": {"on": True}, "replication": None}
    return Member("orders-1", 0.1, state(executed, received, own, **told))


def decided(handed: str, *found: Member) -> Decision:
    """After a failover from orders-0 to orders-1 that had more than orders-2, the other one that acknowledged."""
    move = {"kind": "failover", "source": "orders-0", "target": "orders-1", "handed": handed, "startedAt": "2026-01-01T00:00:00Z"}
    status = {
        "term": TERM,
        "step": STEP,
        "seeded": "orders-0",
        "primary": "orders-1",
        "acknowledging": ["orders-2"],
        "waits": True,
        "passedOver": ["orders-0"],
        "move": move | {"finishedAt": "2026-01-01T00:00:01Z"},
    }
    instance = {"metadata": {"name": "orders", "namespace": "shop"}, "spec": {"replicas": 3}, "status": status}
    return decide(instance, {each.name: each for each in sorted(found, key=lambda each: each.name)}, Moment(""))


@pytest.mark.parametrize(
    ("third", "goes"),
    [
        (Member("orders-2", 0.1, state("0-1-60")), False),
        (Member("orders-2", 0.1, state("0-1-60", process="starting", answers=False)), False),
        (Member("orders-2", silent_s=AWAY_S - 1), False),
        (Member("orders-2", silent_s=AWAY_S), True),
    ],
)
def test_data_that_are_the_only_second_copy_go_when_no_other_replica_is_there(third: Member, goes: bool) -> None:
    """One that is there receives nothing while it applies what the old primary has sent, or starts."""
    old = Member("orders-0", 0.1, refused("0-9-101"))
    order = decided("0-1-100", primary("0-1-100"), third, old).orders["orders-0"]
    assert bool(order.reseed) is goes


def test_a_new_primary_that_has_yet_to_apply_what_it_has_received_shows_nobody_to_be_errant() -> None:
    applying = Member("orders-1", 0.1, state(f"{A}:1-400", f"{A}:1-1000", B))
    third = Member("orders-2", 0.1, state(f"{A}:1-900", own=C))
    assert not reasons(decided(f"{A}:1-1000", applying, third))
    for received in ("", f"{A}:1-1000"):
        again = primary(f"{A}:1-400", B, received, writable=False)
        assert not reasons(decided(f"{A}:1-1000", again, third)), "it has started again, as the primary"
    assert not reasons(decided(f"{A}:1-1000", applying, replace(third, state=refused(f"{A}:1-900", C)))), "it cannot send that yet"
    own = replace(third, state=state(f"{A}:1-900,{C}:1", own=C))
    assert reasons(decided(f"{A}:1-1000", primary(f"{A}:1-1000", B), own)) == ["Errant"]


def reasons(decision: Decision) -> list[str]:
    return [each.reason for each in decision.findings if each.reason == "Errant"]


@pytest.mark.parametrize(("earlier", "is_taken_back"), [("0-1-90", True), ("0-1-110", False), ("", False)])
def test_a_replica_that_was_asked_after_the_primary_is_taken_back_by_what_it_had_before(earlier: str, is_taken_back: bool) -> None:
    """While clients write it is ahead each time."""
    following = {"source": "orders-1", "io": True, "sql": True, "intact": True}
    ahead, before = (Member("orders-0", 0.1, state(text, text, replication=following)) for text in ("0-1-110", earlier))
    found = replace(ahead, earlier=before if earlier else None)
    decision = decided("0-1-50", found, primary("0-1-100"), Member("orders-2", 0.1, state("0-1-99", "0-1-99", replication=following)))
    assert (decision.standing.passed_over == ()) is is_taken_back
