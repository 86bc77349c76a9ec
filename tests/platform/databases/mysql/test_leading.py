"""In which order a Service is led from one primary to another, and what waits for it."""

from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import labels, leading
from pilothouse.platform.databases.mysql.topology.orders import Order

ORDERS = {"a": Order(2, "primary", drain=True), "b": Order(2, "replica", gate=True)}


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
    held = leading.held(ORDERS, pods(a="primary", b="replica"), "b")
    assert (held["a"].drain, held["b"].gate) == (False, True)
    assert leading.held(ORDERS, pods(a="primary", b="primary"), "b")["a"].drain
