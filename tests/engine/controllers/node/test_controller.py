import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.controller import RECONCILES
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.node.controller import NodeLifecycleController
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import LEASES, NODES, PODS, SERVICEACCOUNTS
from tests.engine.controllers.conftest import Cluster, held
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

GRACE_S = 0.4


@asynccontextmanager
async def watched_over(server: ApiServer) -> AsyncIterator[Cluster]:
    client, informers = controller_client(server, "node-controller"), Informers(client_of(server, CONTROLLER_MANAGER))
    controller = NodeLifecycleController(client, informers, Recorder(None, None, "node-controller"), grace_s=GRACE_S)
    async with scope() as tasks:
        tasks.spawn(informers.run())
        await tasks.start(controller.run)
        yield Cluster(client_of(server, ADMIN), informers)
        tasks.cancel()
    assert not refused_parts(server)


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    """With the node lifecycle controller alone, and little patience."""
    async with held(watched_over(server)) as found:
        yield found


async def register(cluster: Cluster, name: str) -> None:
    await cluster.create(NODES, {"metadata": {"name": name}})
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
    await cluster.client.patch(NODES, name, {"status": {"conditions": [ready]}}, subresource="status")


async def renew(cluster: Cluster, name: str) -> None:
    """Keep a node's lease alive until cancelled."""
    await cluster.create(LEASES, {"metadata": {"name": name}, "spec": {"holderIdentity": name}}, "kube-node-lease")
    number = 0
    while True:
        number += 1
        await cluster.patch(LEASES, name, {"spec": {"renewTime": f"2026-01-01T00:00:00.{number:06d}Z"}}, "kube-node-lease")
        await asyncio.sleep(GRACE_S / 8)


def taints(node: Object) -> set[tuple[str, str]]:
    return {(each["key"].rpartition("/")[2], each["effect"]) for each in node["spec"].get("taints", [])}


async def test_a_ready_nodes_first_taint_is_taken_off(cluster: Cluster) -> None:
    await register(cluster, "n1")
    await cluster.until_one(NODES, "n1", lambda each: meta.is_true(each, "Ready") and not taints(each))


async def test_a_silent_node_loses_its_readiness_and_its_pods_go_elsewhere(cluster: Cluster) -> None:
    async with scope() as tasks:
        tasks.spawn(renew(cluster, "alive"))
        for name in ("alive", "silent"):
            await register(cluster, name)
        await cluster.until_one(NODES, "silent", lambda each: not taints(each))
        await cluster.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
        container = {"name": "c", "image": "web:1"}
        stay = [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}]
        spec = {"containers": [container], "nodeName": "silent", "tolerations": stay}
        await cluster.make_ready(await cluster.create(PODS, {"metadata": {"name": "p"}, "spec": spec}))
        lost = await cluster.until_one(NODES, "silent", lambda each: ("unreachable", "NoExecute") in taints(each))
        assert (meta.condition(lost, "Ready") or {})["status"] == "Unknown"
        pod = await cluster.until_one(PODS, "p", meta.is_deleting)
        assert not meta.is_true(pod, "Ready")
        assert (meta.condition(pod, "DisruptionTarget") or {})["reason"] == "DeletionByTaintManager"
        alive = await cluster.get(NODES, "alive")
        assert alive is not None
        assert meta.is_true(alive, "Ready")
        tasks.cancel()


async def test_pods_stay_where_they_are_when_every_node_is_silent(cluster: Cluster) -> None:
    await register(cluster, "only")
    lost = await cluster.until_one(NODES, "only", lambda each: ("unreachable", "NoSchedule") in taints(each))
    assert ("unreachable", "NoExecute") not in taints(lost)


async def test_a_node_that_comes_back_is_freed(cluster: Cluster) -> None:
    await register(cluster, "n1")
    await cluster.until_one(NODES, "n1", lambda each: ("unreachable", "NoSchedule") in taints(each))
    back = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:01:00Z"}
    async with scope() as tasks:
        tasks.spawn(renew(cluster, "n1"))
        await cluster.client.patch(NODES, "n1", {"status": {"conditions": [back]}}, subresource="status")
        await cluster.until_one(NODES, "n1", lambda each: not taints(each))
        tasks.cancel()


async def test_pods_of_a_node_without_taints_are_not_gone_through_at_each_of_its_heartbeats(cluster: Cluster) -> None:
    async with scope() as tasks:
        tasks.spawn(renew(cluster, "n1"))
        await register(cluster, "n1")
        await cluster.until_one(NODES, "n1", lambda each: not taints(each))
        await cluster.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
        spec = {"containers": [{"name": "c", "image": "web:1"}], "nodeName": "n1"}
        await cluster.create(PODS, {"metadata": {"name": "p"}, "spec": spec})
        looked = RECONCILES.value("taint-eviction", "done")
        while RECONCILES.value("taint-eviction", "done") == looked:
            await asyncio.sleep(0.001)
        looked, rounds = RECONCILES.value("taint-eviction", "done"), RECONCILES.value("node-lifecycle", "done")
        while RECONCILES.value("node-lifecycle", "done") < rounds + 3:
            await asyncio.sleep(0.01)
        assert RECONCILES.value("taint-eviction", "done") == looked
        tasks.cancel()
