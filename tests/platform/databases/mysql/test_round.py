"""What a round makes of what it knows of the members."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pilothouse.model.json import Object
from pilothouse.model.resource import Resource
from pilothouse.platform.databases.mysql.accounts.rotation import CHANGED_AT
from pilothouse.platform.databases.mysql.actual import Actual, Effective
from pilothouse.platform.databases.mysql.objects.secrets import REPLICATION_KEY, Known
from pilothouse.platform.databases.mysql.parts import Parts
from pilothouse.platform.databases.mysql.rotation import OLD
from pilothouse.platform.databases.mysql.round import Round
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.types import MySQLSpec
from tests.platform.databases.live import PROGRAM

RUNNING: Object = {"process": "running", "answers": True, "data": "ready", "role": "replica"}
REPLICAS = 3


def round_of(status: Object | None = None, *, suspended: bool = False, **parts: Any) -> Round:
    """Of three members that were heard 20 s ago, and wait for something to tell."""
    instance: Object = {
        "metadata": {"name": "orders", "namespace": "default", "uid": "u"},
        "spec": {"replicas": REPLICAS},
        "status": status or {},
    }
    spec, known = MySQLSpec.model_validate(instance["spec"]), SimpleNamespace(client=None, program=PROGRAM, **parts)
    actual = Actual(stateful_set={"spec": {"replicas": REPLICAS}})
    made = Round(
        cast("Parts", known),
        instance,
        actual,
        Effective(spec),
        cast(
            "Known",
            SimpleNamespace(
                client=None,
            ),
        ),
        suspended=suspended,
    )
    made.members = {name: Member(name, 20.0, RUNNING) for name in (f"orders-{number}" for number in range(REPLICAS))}
    return made


def test_members_that_have_yet_to_be_asked_keep_their_pods_while_an_instance_is_brought_to_a_stand() -> None:
    found = round_of(suspended=True)
    found.is_blind = True
    assert found._replicas() == REPLICAS
    found.is_blind = False
    assert found._replicas() == 0


async def test_a_rotation_goes_on_though_nobody_asks_for_it_any_more() -> None:
    found, written = round_of(SAFE), []

    async def update(resource: Resource, obj: Object) -> None:
        written.append(obj["data"])

    secret: Object = {"metadata": {"name": "orders-system"}, "data": {REPLICATION_KEY: "bmV3", OLD: "bm93"}}
    found.parts = cast("Parts", SimpleNamespace(client=SimpleNamespace(update=update)))
    found.known = cast("Known", SimpleNamespace(system={REPLICATION_KEY: b"new", OLD: b"now"}))
    found.members = {"orders-1": Member("orders-1")}
    found.rotation = ("False", "Rotating", "replicas take the new one")
    found.actual = Actual(secrets={"orders-system": secret | {"metadata": {"annotations": {CHANGED_AT: "2026-01-01T00:00:00Z"}}}})
    await found._rotate()
    assert written == [{REPLICATION_KEY: "bmV3"}]
    assert found.rotation is None


SAFE: Object = {"term": 2, "primary": "orders-1", "seeded": "orders-0", "durable": True, "acknowledging": ["orders-0", "orders-2"]}


@pytest.mark.parametrize(
    ("status", "is_safe"),
    [
        (SAFE, True),
        (SAFE | {"durable": False}, False),
        (SAFE | {"acknowledging": ["orders-2"]}, False),
        (SAFE | {"acknowledging": ["orders-2"], "passedOver": ["orders-0"]}, False),
        (SAFE | {"retiring": ["orders-0"]}, False),
        (SAFE | {"passedOver": ["orders-8"]}, True),
    ],
)
def test_members_rest_only_when_no_step_is_to_come_that_waits_for_their_words(status: Object, *, is_safe: bool) -> None:
    assert round_of(status)._is_safe() is is_safe
