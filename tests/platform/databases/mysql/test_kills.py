"""The operator is killed after each write, or before the next; and two of them work at once."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.model import kinds, meta
from pilothouse.model.json import Object
from pilothouse.platform.databases.resource import MYSQLS
from tests.engine.controllers.conftest import Cluster
from tests.platform.databases.live import Nodes, gone, instance, nodes_of, operator, serves
from tests.platform.databases.mortal import mortal_operators

pytestmark = pytest.mark.slow

DYING = pytest.mark.parametrize("before_next", [True, False], ids=["before the next write", "as soon as it has written"])


def online(obj: Object) -> bool:
    return serves(obj) and obj["status"]["phase"] == "Online" and bool(obj["status"]["primary"])


async def becomes(cluster: Cluster, holds: Callable[[Object], bool]) -> Object:
    """Within a minute: every write needs an operator of its own."""
    async with asyncio.timeout(60):
        while (found := await cluster.get(MYSQLS, "orders")) is None or not holds(found):
            await asyncio.sleep(0.1)
    return found


def durable(obj: Object) -> bool:
    return online(obj) and bool(obj["status"].get("durable"))


def one_primary_a_term(nodes: Nodes) -> bool:
    """Whether never two members were told to be primary at the same term."""
    primaries: dict[int, set[str]] = defaultdict(set)
    for member, order in nodes.orders:
        if order["role"] == "primary":
            primaries[order["term"]].add(member)
    return bool(primaries) and all(len(members) == 1 for members in primaries.values())


@DYING
@pytest.mark.timeout(240)
async def test_each_step_of_a_life_is_gone_on_with_by_the_next_operator(tmp_path: Path, before_next: bool) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes), mortal_operators(server, nodes, before_next=before_next) as line:
        await cluster.create(MYSQLS, instance(deletionProtection=False, finalBackup=False))
        await becomes(cluster, online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"resources": {"memory": "1Gi"}}})
        await becomes(cluster, lambda obj: online(obj) and obj["status"]["members"][0]["memory"] == "1Gi")
        before = await cluster.get(kinds.PODS, "orders-0")
        await cluster.patch(MYSQLS, "orders", {"spec": {"restartedAt": "2026-11-30T12:00:00Z"}})
        while meta.uid(await cluster.get(kinds.PODS, "orders-0") or {}) in ("", meta.uid(before or {})):
            await asyncio.sleep(0.1)
        await becomes(cluster, online)
        await cluster.patch(MYSQLS, "orders", {"spec": {"suspended": True}})
        await becomes(cluster, lambda obj: obj["status"]["phase"] == "Suspended")
        await cluster.patch(MYSQLS, "orders", {"spec": {"suspended": False}})
        await becomes(cluster, online)
        await cluster.client.delete(MYSQLS, "orders", "default")
        await gone(cluster)
        assert await cluster.items(kinds.PERSISTENTVOLUMECLAIMS) == []
        assert line.lives > 20
        assert sum(order["seed"] is not None for _, order in nodes.orders) <= 2, "data are begun once"


@DYING
@pytest.mark.timeout(240)
async def test_a_failover_is_gone_on_with_by_the_next_operator(tmp_path: Path, before_next: bool) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes), mortal_operators(server, nodes, before_next=before_next):
        await cluster.create(MYSQLS, instance(replicas=3))
        await becomes(cluster, durable)
        nodes.agents["orders-0"].die()
        found = await becomes(cluster, lambda obj: durable(obj) and obj["status"]["primary"] != "orders-0")
        assert found["status"]["move"]["kind"] == "failover"
        assert one_primary_a_term(nodes)


@pytest.mark.timeout(240)
async def test_two_operators_never_choose_two_primaries(tmp_path: Path) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes), operator(server, nodes), operator(server, nodes):
        await cluster.create(MYSQLS, instance(replicas=3))
        for _ in range(3):
            found = await becomes(cluster, durable)
            primary = found["status"]["primary"]
            nodes.agents[primary].die()
            await becomes(cluster, lambda obj, old=primary: online(obj) and obj["status"]["primary"] != old)  # type: ignore[misc]
        assert one_primary_a_term(nodes)
