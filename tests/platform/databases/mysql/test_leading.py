"""In which order a Service is led from one primary to another, and what waits for it."""

from dataclasses import replace

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, leading
from pilothouse.platform.databases.mysql.topology import switchover
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.moment import Moment
from pilothouse.platform.databases.mysql.topology.standing import Move, Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish


def pods(**roles: str) -> dict[str, Object]:
    return {name: {"metadata": {"name": name, "labels": {labels.ROLE: role}}} for name, role in roles.items()}


def test_the_new_primary_is_led_to_before_the_old_one_is_not() -> None:
    found = leading.wanted(pods(a="primary", b="replica", c="replica"), "b", frozenset("c"))
    assert [(name, each[labels.ROLE], each[labels.READABLE]) for name, each in found.items()] == [
        ("b", "primary", None),
        ("a", "replica", None),
        ("c", "replica", "yes"),
    ]


def test_what_is_as_it_should_be_is_not_written_again() -> None:
    assert list(leading.wanted(pods(a="primary", b="replica"), "a", frozenset())) == []


def test_sessions_are_ended_once_the_cluster_tells_of_the_new_primarys_label() -> None:
    move = Move(source="a", target="b", started_at="2026-11-30T12:00:00Z")
    standing = Standing(2, "a", ("b",), durable=True, seeded="a", move=move)
    gated = Member("b", 0.1, {"process": "running", "answers": True, "gate": True}, is_led=False)
    steps = (switchover.step(Wish("orders", 2), standing, {"b": each}, Moment("")) for each in (gated, replace(gated, is_led=True)))
    assert [step.move.drains for step in steps] == [False, True]
