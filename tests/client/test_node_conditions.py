import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.client.client import Client
from pilothouse.client.node_conditions import LOOK_S, MOST_BYTES, NodeConditions
from pilothouse.model import meta
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES
from tests.client.fake_cluster import FakeCluster

pytestmark = pytest.mark.looptime
DOWN = ("BGPSessionsDown", True, "PeerRefuses", "10.0.0.9 refuses: wrong AS")


@asynccontextmanager
async def keeping(client: Client) -> AsyncIterator[NodeConditions]:
    await client.create(NODES, {"metadata": {"name": "n1"}, "status": {}})
    conditions = NodeConditions("n1", now=lambda: asyncio.get_running_loop().time())
    task = asyncio.create_task(conditions.run(client, asyncio.Event()))
    try:
        yield conditions
    finally:
        task.cancel()


async def shown(client: Client, type: str = "BGPSessionsDown") -> Object:
    return meta.condition(await client.get(NODES, "n1"), type) or {}


def patches(cluster: FakeCluster) -> list[Any]:
    return [call for call in cluster.calls if call.method == "PATCH"]


async def test_what_is_set_is_said_once(cluster: FakeCluster, client: Client) -> None:
    async with keeping(client) as conditions:
        conditions.set(*DOWN)
        conditions.set(*DOWN)
        await asyncio.sleep(3 * LOOK_S)
        said = await shown(client)
        assert (said["status"], said["reason"], said["message"]) == ("True", "PeerRefuses", "10.0.0.9 refuses: wrong AS")
        assert len(patches(cluster)) == 1
        assert patches(cluster)[0].path.endswith("/status")


async def test_another_message_keeps_the_time_of_the_last_change(client: Client) -> None:
    async with keeping(client) as conditions:
        conditions.set(*DOWN)
        await asyncio.sleep(10)
        first = await shown(client)
        conditions.set("BGPSessionsDown", True, "PeerRefuses", "10.0.0.9 and 10.0.0.8 refuse")
        await asyncio.sleep(10)
        second = await shown(client)
        assert second["lastTransitionTime"] == first["lastTransitionTime"]
        assert second["message"] != first["message"]
        conditions.set("BGPSessionsDown", False, "Established", "all sessions are up")
        await asyncio.sleep(10)
        assert (await shown(client))["lastTransitionTime"] > first["lastTransitionTime"]


async def test_a_failure_is_tried_again_and_a_node_made_anew_hears_it(cluster: FakeCluster, client: Client) -> None:
    async with keeping(client) as conditions:
        cluster.failures.extend([Unavailable("busy"), Unavailable("busy")])
        conditions.set(*DOWN)
        await asyncio.sleep(10)
        assert (await shown(client))["status"] == "True"
        await client.delete(NODES, "n1")
        await client.create(NODES, {"metadata": {"name": "n1"}, "status": {}})
        await asyncio.sleep(LOOK_S + 1)
        assert (await shown(client))["status"] == "True"


async def test_a_long_message_is_cut(client: Client) -> None:
    async with keeping(client) as conditions:
        conditions.set("BGPSessionsDown", True, "PeerRefuses", "ä" * MOST_BYTES)
        await asyncio.sleep(1)
        message = (await shown(client))["message"]
        assert len(message.encode()) <= MOST_BYTES
        assert message.endswith("…")
