"""What a node says of itself when it registers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.aio.tasks import running
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import Call
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.node import LEASE_NAMESPACE, NodeStatus
from pilothouse.engine.store.store import Store
from pilothouse.model import meta
from pilothouse.model.kinds import LEASES, NODES
from pilothouse.model.node_objects import REACHED_BY
from tests.people import ADMIN, client_of, node, refused_parts
from tests.simulation.fake_runtime import FakeRuntime


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with Store.open(tmp_path / "store.db") as store, ApiServer.open(store, Settings(tmp_path / "state")) as server:
        yield server
        assert not refused_parts(server)


async def register(client: Client, config: NodeConfig) -> None:
    status = NodeStatus(client, FakeRuntime(latency_s=0.0), config, Recorder(client, None, "kubelet"), tuple)
    async with asyncio.timeout(20), running(status.run):
        pass


async def test_a_node_says_by_which_machine_it_is_reached_and_takes_it_back(server: ApiServer, tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test", addresses=("172.27.0.2",))
    for machine in ("192.0.2.1", "192.0.2.2", ""):
        await register(client_of(server, node("n")), replace(config, reached_by=machine))
        found = await client_of(server, ADMIN).get(NODES, "n")
        assert (found["metadata"].get("annotations") or {}).get(REACHED_BY, "") == machine


async def test_a_report_asks_the_runtime_whether_it_is_ready_and_not_each_time_what_it_has(server: ApiServer, tmp_path: Path) -> None:
    runtime = FakeRuntime(latency_s=0.0)
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test")
    client = client_of(server, node("n"))
    status = NodeStatus(client, runtime, config, Recorder(client, None, "kubelet"), tuple)
    async with asyncio.timeout(20), running(status.run):
        for _ in range(5):
            asked = runtime.counts["Status"]
            status.changed()
            while runtime.counts["Status"] == asked:
                await asyncio.sleep(0.001)
    assert runtime.counts["ListImages"] == 1


async def test_a_runtime_that_was_away_is_asked_again_what_it_has(server: ApiServer, tmp_path: Path) -> None:
    runtime = FakeRuntime(latency_s=0.0)
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test")
    client = client_of(server, node("n"))
    status = NodeStatus(client, runtime, config, Recorder(client, None, "kubelet"), tuple)
    async with asyncio.timeout(20), running(status.run):
        runtime.fail("Status")
        status.changed()
        while await is_ready(client):
            await asyncio.sleep(0.001)
        runtime.mend()
        runtime.holds("late:1")
        while not await is_ready(client):
            await asyncio.sleep(0.001)
        assert (await client.get(NODES, "n"))["status"]["images"]


class Mute(InProcessTransport):
    """One renewal of a Lease gets no answer, as on a connection that is dead without a word."""

    muted = 1

    async def call(self, call: Call) -> Any:
        if self.muted and call.method == "PATCH" and "/leases/" in call.path:
            self.muted -= 1
            await asyncio.Event().wait()
        return await super().call(call)


async def test_a_renewal_without_an_answer_does_not_cost_the_lease(server: ApiServer, tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test", heartbeat_s=0.2)
    client = Client(Mute(server, node("n")), field_manager="n")
    status = NodeStatus(client, FakeRuntime(latency_s=0.0), config, Recorder(client, None, "kubelet"), tuple)
    admin = client_of(server, ADMIN)
    async with asyncio.timeout(10), running(status.run):
        while await admin.get_or_none(LEASES, "n", LEASE_NAMESPACE) is None:
            await asyncio.sleep(0.01)


async def is_ready(client: Client) -> bool:
    return meta.is_true(await client.get(NODES, "n"), "Ready")


async def test_a_node_says_its_ranges_and_addresses_of_both_families(server: ApiServer, tmp_path: Path) -> None:
    """Twice, and then others: addresses of one type are several, and what it does not have any more goes."""
    ranges = ("10.1.0.0/22", "fd00:1::/64")
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test", pod_cidrs=ranges)
    for addresses in (("192.0.2.7", "2001:db8::7"), ("192.0.2.7", "2001:db8::7"), ("192.0.2.8", "2001:db8::8"), ("192.0.2.8",)):
        await register(client_of(server, node("n")), replace(config, addresses=addresses))
        found = await client_of(server, ADMIN).get(NODES, "n")
        assert found["spec"]["podCIDRs"] == list(ranges)
        assert [each["address"] for each in found["status"]["addresses"] if each["type"] == "InternalIP"] == list(addresses)
