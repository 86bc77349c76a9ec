"""What instances cost that nobody changes: no rounds, no writes, few requests."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.model import kinds, meta
from pilothouse.model.json import Object, dumps, loads
from pilothouse.platform.databases.mysql import names
from pilothouse.platform.databases.mysql.agents import NEW_EACH_S, Agents
from pilothouse.platform.databases.mysql.events import Events
from pilothouse.platform.databases.mysql.objects import programs
from pilothouse.platform.databases.mysql.observer import REST_S
from pilothouse.platform.databases.mysql.round import OFTEN_S, SETTLED_S
from pilothouse.platform.databases.mysql.trouble import EVENTS
from pilothouse.platform.databases.resource import MYSQLS
from tests.engine.controllers.conftest import api_server
from tests.people import ADMIN, client_of
from tests.platform.databases.live import PROGRAM, instance, nodes_of, operator


def is_safe(obj: Object) -> bool:
    return bool(obj.get("status", {}).get("durable")) and obj["status"]["phase"] == "Online"


async def test_an_instance_in_which_nothing_is_to_come_is_left_alone_until_something_changes(tmp_path: Path) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes), operator(server, nodes) as found:
        await cluster.create(MYSQLS, instance(replicas=3))
        await cluster.until_one(MYSQLS, "orders", is_safe)
        queue = found.controller.queue
        async with asyncio.timeout(30):
            while queue._due_at.get("default/orders", 0.0) - asyncio.get_running_loop().time() < SETTLED_S / 2:
                await asyncio.sleep(0.05)
        cached = [each for kind in (kinds.PODS, kinds.STATEFULSETS) for each in found.cache.of_kind[kind.kind][1].items()]
        assert cached
        assert not any("managedFields" in each["metadata"] for each in cached), "half of what an instance takes of the operator's memory"
        rounds, version = found.controller.outcomes.total(), meta.resource_version(await cluster.client.get(MYSQLS, "orders", "default"))
        await asyncio.sleep(1.5 * OFTEN_S)
        assert found.controller.outcomes.total() == rounds
        assert meta.resource_version(await cluster.client.get(MYSQLS, "orders", "default")) == version
        nodes.agents[names.member("orders", 1)].change(error="it has one")
        await cluster.until_one(MYSQLS, "orders", lambda obj: obj["status"]["members"][1]["message"] == "it has one")


class Lists:
    """A transport that answers nothing but lists of Events, and counts them."""

    def __init__(self, inner: Any) -> None:
        self.count = 0
        self._inner = inner

    async def call(self, call: Any) -> object:
        self.count += 1
        return await self._inner.call(call)


async def test_events_of_a_namespace_are_asked_for_once_however_many_want_them(tmp_path: Path) -> None:
    async with api_server(tmp_path, tmp_path / "keys") as server:
        lists = Lists(client_of(server, ADMIN).transport)
        events = Events(Client(lists, field_manager="test"))  # type: ignore[arg-type]
        for number in range(5):
            await events.of({"metadata": {"name": f"orders-{number}", "namespace": "default"}}, EVENTS)
        assert lists.count == 1
        await events.of({"metadata": {"name": "orders", "namespace": "kube-system"}}, EVENTS)
        assert lists.count == 2


async def test_connections_that_are_wanted_at_once_are_made_one_after_the_other() -> None:
    agents, loop = Agents(), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(agents.turn() for _ in range(20)))
    assert loop.time() - began >= 19 * NEW_EACH_S


def test_a_cache_holds_the_agents_program_once() -> None:
    made = programs.config_map({"metadata": {"name": "orders", "namespace": "default", "uid": "u"}}, PROGRAM)
    found: list[Object] = [loads(dumps(made)) for _ in range(2)]
    for each in found:
        programs.share(each, PROGRAM)
    assert found[0] == made
    assert found[0]["binaryData"][programs.FILE] is found[1]["binaryData"][programs.FILE]


@pytest.mark.slow
async def test_a_primary_that_ends_while_its_instance_is_at_rest_is_replaced(tmp_path: Path) -> None:
    async with nodes_of(tmp_path) as (server, cluster, nodes), operator(server, nodes):
        await cluster.create(MYSQLS, instance(replicas=3))
        before = (await cluster.until_one(MYSQLS, "orders", is_safe))["status"]["primary"]
        async with asyncio.timeout(60):
            while not all(agent.waits_s[-1] >= REST_S[0] for agent in nodes.agents.values()):
                await asyncio.sleep(0.1)
        for name, agent in nodes.agents.items():
            if name != before:
                agent.state["gtid"] = {"executed": "0-1-6", "received": "0-1-6"}
        nodes.agents[before].die()
        await cluster.until_one(MYSQLS, "orders", lambda obj: obj["status"]["primary"] not in ("", before))
