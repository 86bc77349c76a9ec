"""Simulated nodes in an API server of this process: as many as are wanted, alive, with pods that come and go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.node.controller import NodeLifecycleController
from pilothouse.engine.controllers.simulation.controller import SimulatedNodesController
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import LEASES, NODES, PODS, SERVICEACCOUNTS
from tests.engine.controllers.conftest import Cluster
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

GRACE_S = 0.4


@asynccontextmanager
async def simulating(server: ApiServer, count: int) -> AsyncIterator[Cluster]:
    """With so many nodes, and a node controller of little patience."""
    informers = Informers(client_of(server, CONTROLLER_MANAGER))
    made = SimulatedNodesController(controller_client(server, "simulated-nodes"), informers, count)
    lifecycle = NodeLifecycleController(
        controller_client(server, "node-controller"), informers, Recorder(None, None, "node-controller"), grace_s=GRACE_S
    )
    async with scope() as tasks:
        tasks.spawn(informers.run())
        await tasks.start(lifecycle.run)
        await tasks.start(made.run)
        yield Cluster(client_of(server, ADMIN), informers)
        tasks.cancel()
    assert not refused_parts(server)


def names(items: list[Object]) -> list[str]:
    return sorted(map(meta.name, items))


def wanted(name: str, node: str = "simulated-0001") -> Object:
    return {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "web:1"}]}}


async def test_there_are_as_many_nodes_as_are_wanted_and_those_that_are_deleted_come_back(server: ApiServer) -> None:
    async with simulating(server, 3) as cluster:
        await cluster.until(NODES, lambda items: len(items) == 3 and all(meta.is_true(each, "Ready") for each in items))
        await cluster.client.delete(NODES, "simulated-0001")
        await cluster.until(NODES, lambda items: names(items) == ["simulated-0000", "simulated-0001", "simulated-0002"])


async def test_when_fewer_are_wanted_the_others_go_and_real_ones_stay(server: ApiServer) -> None:
    async with simulating(server, 3) as cluster:
        await cluster.create(NODES, {"metadata": {"name": "real", "labels": {"node.pilothouse.dev/simulated": "true"}}})
        await cluster.until(NODES, lambda items: len(items) == 4)
    async with simulating(server, 1) as cluster:
        await cluster.until(NODES, lambda items: names(items) == ["real", "simulated-0000"])


async def test_pods_run_have_addresses_of_their_own_and_go_when_they_are_deleted(server: ApiServer) -> None:
    async with simulating(server, 2) as cluster:
        await cluster.until(NODES, lambda items: len(items) == 2)
        await cluster.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
        for name in ("a", "b"):
            await cluster.create(PODS, wanted(name))
        both = await cluster.until(PODS, lambda items: len(items) == 2 and all(meta.is_true(each, "Ready") for each in items) and items)
        assert len({each["status"]["podIP"] for each in both}) == 2
        await cluster.client.delete(PODS, "a", "default")
        await cluster.until(PODS, lambda items: names(items) == ["b"])


async def test_pods_of_other_nodes_are_left_alone(server: ApiServer) -> None:
    async with simulating(server, 1) as cluster:
        await cluster.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
        await cluster.create(PODS, wanted("elsewhere", "worker"))
        await cluster.create(PODS, wanted("here", "simulated-0000"))
        await cluster.until_one(PODS, "here", lambda each: meta.is_true(each, "Ready"))
        other = await cluster.get(PODS, "elsewhere") or {}
        assert other["status"]["phase"] == "Pending"


async def test_a_node_of_somebody_with_a_number_beyond_the_network_and_its_pods_are_left_alone(server: ApiServer) -> None:
    async with simulating(server, 1) as cluster:
        labels = {"node.pilothouse.dev/simulated": "true"}
        await cluster.create(NODES, {"metadata": {"name": "simulated-70000", "labels": labels}})
        await cluster.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
        await cluster.create(PODS, wanted("beyond", "simulated-70000"))
        await cluster.create(PODS, wanted("here", "simulated-0000"))
        await cluster.until_one(PODS, "here", lambda each: meta.is_true(each, "Ready"))
        assert await cluster.get(NODES, "simulated-70000", None) is not None
        assert ((await cluster.get(PODS, "beyond")) or {})["status"]["phase"] == "Pending"


async def test_all_nodes_live_by_one_lease_and_come_back_after_it_was_silent(server: ApiServer) -> None:
    async with simulating(server, 2) as cluster:
        await cluster.until(NODES, lambda items: len(items) == 2)
        await cluster.until(LEASES, lambda items: names(items) == ["simulated-nodes"], namespace="kube-node-lease")
        # Silent for longer than the node controller's patience here: the nodes are lost, and say again that they are well.
        lost = [each for each in await cluster.items(NODES, None) if not meta.is_true(each, "Ready")]
        await cluster.until(NODES, lambda items: any(not meta.is_true(each, "Ready") for each in items) or lost)
        await cluster.until(NODES, lambda items: all(meta.is_true(each, "Ready") for each in items))
