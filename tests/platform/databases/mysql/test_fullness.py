"""Volumes that are nearly full, and servers that ended for it."""

from pathlib import Path

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.mysql import conditions, fullness
from pilothouse.platform.databases.mysql.topology.findings import findings
from pilothouse.platform.databases.mysql.topology.member import Member
from pilothouse.platform.databases.mysql.topology.standing import Standing
from pilothouse.platform.databases.mysql.topology.wish import Wish
from pilothouse.platform.databases.resource import MYSQLS
from tests.platform.databases.live import instance, operated, says, serves


def member(name: str, used: float, **state: object) -> Member:
    return Member(name, 0.0, {"disk": {"size": 1000, "free": round(1000 * (1 - used))}, **state})


@pytest.mark.parametrize(
    ("used", "was_said", "is_said"), [(0.84, False, False), (0.86, False, True), (0.82, True, True), (0.79, True, False)]
)
def test_a_volume_is_nearly_full_until_there_is_plenty(used: float, was_said: bool, is_said: bool) -> None:
    found = fullness.crowded([member("orders-0", used), Member("orders-1")], was_said=was_said)
    assert found == (["orders-0"] if is_said else [])


def test_it_is_said_with_the_way_out_and_counts_as_healthy() -> None:
    found: Object = {"metadata": {"name": "orders", "namespace": "default"}}
    picture = conditions.Picture(is_writable=True, crowded=["orders-0"], pods=1, ready=1)
    said = conditions.said(found, picture)
    assert said[conditions.ROOMY] == ("False", "NearlyFull", fullness.sentence("orders", ["orders-0"]))
    assert "ph mysql resize orders --size" in fullness.sentence("orders", ["orders-0"])
    assert said[conditions.HEALTHY] == ("True", "AllMembersReady", "")
    assert conditions.phase(found, picture) == "Online"


def test_why_its_server_has_ended_is_said_of_a_primary_that_is_away() -> None:
    error = "the server was ended by the signal 6: no fullness; the volume is full"
    ended = member("orders-0", 0.99, process="ended", data="ready", error=error)
    (found, *_) = findings(Wish("orders"), Standing(term=1, primary="orders-0", seeded="orders-0"), {"orders-0": ended})
    assert found.reason == "PrimaryAway"
    assert error in found.message


async def test_a_volume_that_fills_up_is_told_of_while_it_does(tmp_path: Path) -> None:
    async with operated(tmp_path) as (cluster, nodes):
        await cluster.create(MYSQLS, instance())
        await cluster.until_one(MYSQLS, "orders", lambda obj: serves(obj) and says("HasRoom", "EnoughRoom")(obj))
        nodes.agents["orders-0"].change(disk={"size": 1 << 30, "free": 1 << 26})
        found = await cluster.until_one(MYSQLS, "orders", says("HasRoom", "NearlyFull"))
        assert found["status"]["phase"] == "Online"
        assert "ph mysql resize orders --size" in (meta.condition(found, "HasRoom") or {})["message"]
        nodes.agents["orders-0"].change(disk={"size": 1 << 31, "free": 1 << 30})
        await cluster.until_one(MYSQLS, "orders", says("HasRoom", "EnoughRoom"))
