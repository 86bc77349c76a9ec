import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.podgc.controller import PodGarbageCollector
from pilothouse.engine.controllers.podgc.plan import OUT_OF_SERVICE
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS, SERVICEACCOUNTS
from tests.engine.controllers.conftest import Cluster, held
from tests.people import ADMIN, CONTROLLER_MANAGER, client_of, controller_client, refused_parts

QUARANTINE_S, KEPT = 0.4, 2
HELD = ["example.com/held"]


@asynccontextmanager
async def collected(server: ApiServer) -> AsyncIterator[Cluster]:
    client, informers = controller_client(server, "pod-garbage-collector"), Informers(client_of(server, CONTROLLER_MANAGER))
    recorder = Recorder(None, None, "pod-garbage-collector")
    collector = PodGarbageCollector(client, informers, recorder, quarantine_s=QUARANTINE_S, kept=KEPT)
    async with scope() as tasks:
        tasks.spawn(informers.run())
        await tasks.start(collector.run)
        found = Cluster(client_of(server, ADMIN), informers)
        await found.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}})
        yield found
        tasks.cancel()
    assert not refused_parts(server)


@pytest.fixture
async def cluster(server: ApiServer) -> AsyncIterator[Cluster]:
    """With the collector alone, and little patience."""
    async with held(collected(server)) as found:
        yield found


async def place(cluster: Cluster, name: str, node: str = "", **metadata: object) -> Object:
    spec = {"containers": [{"name": "c", "image": "web:1"}]} | ({"nodeName": node} if node else {})
    return await cluster.create(PODS, {"metadata": {"name": name, **metadata}, "spec": spec})


async def test_each_pod_on_a_node_that_does_not_exist_goes_after_a_while_of_its_own(cluster: Cluster) -> None:
    for name in ("first", "late"):
        await place(cluster, name, "gone")
        created = time.monotonic()
        await cluster.until(PODS, lambda items: not items)
        assert time.monotonic() - created > QUARANTINE_S * 0.9


async def test_what_a_finalizer_holds_there_has_failed_and_says_why(cluster: Cluster) -> None:
    await place(cluster, "held", "gone", finalizers=HELD)
    pod = await cluster.until_one(PODS, "held", meta.is_deleting)
    assert pod["status"]["phase"] == "Failed"
    condition = meta.condition(pod, "DisruptionTarget")
    assert condition is not None
    assert (condition["reason"], condition["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")


async def test_a_pod_that_is_leaving_a_node_out_of_service_is_gone_at_once(cluster: Cluster) -> None:
    await cluster.create(NODES, {"metadata": {"name": "n1"}})
    for name in ("leaving", "staying"):
        pod = await place(cluster, name, "n1")
        await cluster.make_ready(pod)
    await cluster.client.delete(PODS, "leaving", "default", grace_s=600)
    await cluster.patch(NODES, "n1", {"spec": {"taints": [{"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}]}})
    await cluster.until(PODS, lambda items: [meta.name(pod) for pod in items] == ["staying"])


async def test_a_terminating_pod_that_no_node_has_is_marked_as_failed(cluster: Cluster) -> None:
    await place(cluster, "p", finalizers=HELD)
    await cluster.client.delete(PODS, "p", "default")
    await cluster.until_one(PODS, "p", lambda pod: pod["status"]["phase"] == "Failed")
    await cluster.patch(PODS, "p", {"metadata": {"finalizers": None}})
    await cluster.until(PODS, lambda items: not items)


async def test_of_the_pods_that_have_ended_the_oldest_beyond_the_limit_go(cluster: Cluster) -> None:
    await cluster.create(NODES, {"metadata": {"name": "n1"}})
    for name in ("a", "b", "running", "c"):
        pod = await place(cluster, name, "n1")
        if name != "running":
            await cluster.set_pod(pod, phase="Succeeded")
    await cluster.until(PODS, lambda items: {meta.name(pod) for pod in items} == {"b", "running", "c"})
