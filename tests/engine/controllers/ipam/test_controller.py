import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Network

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.ipam.controller import NodeIPAMController
from pilothouse.engine.controllers.ipam.ranges import PodRanges, ranges_of
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NODES
from tests.engine.controllers.conftest import Cluster, held
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

RANGES = PodRanges(IPv4Network("10.1.0.0/20"), 22, (("first", IPv4Network("10.1.0.0/22")),))
"""Three for nodes other than the first."""


@asynccontextmanager
async def running(server: ApiServer, *ranges: PodRanges) -> AsyncIterator[Cluster]:
    informers = Informers(client_of(server, CONTROLLER_MANAGER))
    recorder = Recorder(client_of(server, CONTROLLER_MANAGER), None, "node-ipam-controller")
    controller = NodeIPAMController(controller_client(server, "node-controller"), informers, recorder, ranges)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        tasks.spawn(informers.run())
        await tasks.start(controller.run)
        yield Cluster(client_of(server, ADMIN), informers)
        tasks.cancel()
    assert not refused_parts(server)


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    async with held(running(server, RANGES)) as found:
        yield found


async def add(cluster: Cluster, name: str, **spec: str) -> None:
    await cluster.create(NODES, {"metadata": {"name": name}, "spec": spec})


async def range_given(cluster: Cluster, name: str) -> str:
    node = await cluster.until_one(NODES, name, ranges_of)
    assert node["spec"]["podCIDR"] == node["spec"]["podCIDRs"][0]
    return str(node["spec"]["podCIDR"])


async def test_nodes_that_come_at_once_get_ranges_of_their_own(cluster: Cluster) -> None:
    await asyncio.gather(*(add(cluster, name) for name in "abc"))
    assert {await range_given(cluster, name) for name in "abc"} == {"10.1.4.0/22", "10.1.8.0/22", "10.1.12.0/22"}


async def test_a_node_keeps_the_range_that_it_brings(cluster: Cluster) -> None:
    await add(cluster, "brings", podCIDR="10.1.4.0/22")
    await add(cluster, "asks")
    assert await range_given(cluster, "asks") == "10.1.8.0/22"
    assert await range_given(cluster, "brings") == "10.1.4.0/22"


async def test_a_node_without_a_range_is_told_why_and_gets_one_when_another_goes(cluster: Cluster) -> None:
    for name in "abc":
        await add(cluster, name)
        await range_given(cluster, name)
    await add(cluster, "late")

    def said(events: list[Object]) -> list[str]:
        return [event["message"] for event in events if event["reason"] == "CIDRNotAvailable"]

    message = (await cluster.until(EVENTS, said, namespace=None))[0]
    assert "late" in message
    assert "10.1.0.0/20 has 4 ranges of /22" in message
    freed = await range_given(cluster, "b")
    await cluster.client.delete(NODES, "b")
    assert await range_given(cluster, "late") == freed


async def test_overlapping_ranges_are_told(cluster: Cluster) -> None:
    await add(cluster, "one", podCIDR="10.1.4.0/22")
    await add(cluster, "two", podCIDR="10.1.4.0/24")

    def said(events: list[Object]) -> list[str]:
        return [event["message"] for event in events if event["reason"] == "CIDRConflict"]

    assert "delete one Node" in (await cluster.until(EVENTS, said, namespace=None))[0]


SIX = PodRanges(IPv6Network("fd00:10:244::/62"), 64, (("first", IPv6Network("fd00:10:244::/64")),))


async def test_a_node_has_a_range_of_each_family(server: ApiServer) -> None:
    async with held(running(server, RANGES, SIX)) as cluster:
        await add(cluster, "a")
        assert (await cluster.until_one(NODES, "a", ranges_of))["spec"]["podCIDRs"] == ["10.1.4.0/22", "fd00:10:244:1::/64"]


async def test_a_node_gets_no_range_while_one_family_has_none_left(server: ApiServer) -> None:
    one = PodRanges(IPv6Network("fd00:10:244::/64"), 64)
    async with held(running(server, RANGES, one)) as cluster:
        await add(cluster, "a")
        await range_given(cluster, "a")
        await add(cluster, "late")

        def said(events: list[Object]) -> list[str]:
            return [event["message"] for event in events if event["reason"] == "CIDRNotAvailable"]

        assert "fd00:10:244::/64 has 1 range of /64" in (await cluster.until(EVENTS, said, namespace=None))[0]
        assert not ranges_of(await cluster.client.get(NODES, "late"))
