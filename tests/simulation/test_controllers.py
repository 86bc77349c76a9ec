"""No reconciler spins: scenes that once could, then whatever hypothesis makes up. `play` fails when a key used up its budget of rounds."""

import asyncio

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, JOBS, NAMESPACES, NODES, PODS, REPLICASETS
from tests.simulation.cluster import NODE, Simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, deployment, job, pod

HOUR_S = 3600.0


def is_failed(reason: str) -> object:
    def holds(found: Object | None) -> bool:
        condition = meta.condition(found or {}, "Failed")
        return condition is not None and condition["reason"] == reason

    return holds


def test_a_job_past_its_deadline_waits_for_its_pods_end_in_peace(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.create(JOBS, job(activeDeadlineSeconds=4, pod={"terminationGracePeriodSeconds": 2000}))
        await asyncio.sleep(HOUR_S / 2)
        assert len(cluster.runtime.running()) == 1
        await cluster.until(JOBS, "j", is_failed("DeadlineExceeded"))
        assert await cluster.items(PODS) == []

    play(scene)


def test_a_job_whose_node_is_gone_rests(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(JOBS, job(activeDeadlineSeconds=30, backoffLimit=1))
        await asyncio.sleep(10)
        cluster.runtime.fail("", in_place=True)
        await asyncio.sleep(HOUR_S / 4)

    play(scene)


def test_a_namespace_that_cannot_be_emptied_is_looked_at_now_and_then(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await cluster.create(NAMESPACES, {"metadata": {"name": "held"}})
        await asyncio.sleep(1)
        stuck = pod() | {"metadata": {"name": "p", "finalizers": ["example.com/never"]}}
        await cluster.create(PODS, stuck, "held")
        await cluster.client.delete(NAMESPACES, "held")
        await asyncio.sleep(HOUR_S / 4)
        assert await cluster.get(NAMESPACES, "held")

    play(scene)


def test_a_rollout_that_cannot_go_on_rests(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(DEPLOYMENTS, deployment(replicas=3, progressDeadlineSeconds=20, minReadySeconds=10))
        await asyncio.sleep(60)
        broken = {"spec": {"template": {"spec": {"containers": [container(image="absent:1")]}}}}
        await cluster.patch(DEPLOYMENTS, "d", broken)
        await asyncio.sleep(HOUR_S / 2)
        found = await cluster.get(DEPLOYMENTS, "d") or {}
        assert (meta.condition(found, "Progressing") or {})["reason"] == "ProgressDeadlineExceeded"

    play(scene)


def test_pods_that_fit_nowhere_wait_in_peace(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        big = container(resources={"requests": {"cpu": "10000"}})
        await cluster.create(REPLICASETS, deployment("r", replicas=5, pod={"containers": [big]}))
        await asyncio.sleep(HOUR_S / 4)

    play(scene)


def test_a_node_that_falls_silent_and_comes_back_keeps_nobody_busy(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(DEPLOYMENTS, deployment(replicas=2))
        await asyncio.sleep(5)
        await cluster.patch(NODES, NODE, {"spec": {"taints": [{"key": "a", "value": "b", "effect": "NoExecute"}]}})
        await asyncio.sleep(HOUR_S / 4)
        await cluster.patch(NODES, NODE, {"spec": {"taints": None}})
        await asyncio.sleep(60)
        assert len(cluster.runtime.running()) == 2

    play(scene)
