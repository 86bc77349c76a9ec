import asyncio
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, EVENTS, PODS, REPLICASETS
from tests.cpu import takes_under
from tests.engine.controllers.conftest import Cluster, kubelet

REVISION = "deployment.kubernetes.io/revision"


def web(replicas: int = 3, image: str = "web:1", **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod} | spec}


def is_rolled_out(count: int, revision: str = "1") -> Any:
    def holds(each: Object) -> bool:
        status = each["status"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        observed = status.get("observedGeneration") == meta.generation(each)
        return observed and counts == [count] * 3 and meta.annotations(each).get(REVISION) == revision

    return holds


async def set_image(cluster: Cluster, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": image}]}}}}
    await cluster.patch(DEPLOYMENTS, "web", patch)


def condition(each: Object, type_: str) -> str | None:
    found = meta.condition(each, type_)
    return None if found is None else found["reason"]


async def test_a_new_deployment_becomes_complete(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web())
        shown = await cluster.until_one(DEPLOYMENTS, "web", lambda each: condition(each, "Progressing") == "NewReplicaSetAvailable")
    assert condition(shown, "Available") == "MinimumReplicasAvailable"
    (only,) = await cluster.items(REPLICASETS)
    assert meta.annotations(only)[REVISION] == "1"
    assert meta.labels(only)["pod-template-hash"] in meta.name(only)


async def test_a_rollout_replaces_every_pod_within_its_bounds(cluster: Cluster) -> None:
    bounds = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    counts: list[tuple[int, int]] = []
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web(strategy=bounds))
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(3))
        informer = cluster.informers.of(PODS)

        def count(old: Object | None, new: Object | None) -> None:
            alive = [pod for pod in informer.items() if not meta.is_deleting(pod)]
            counts.append((len(alive), sum(meta.is_true(pod, "Ready") for pod in alive)))

        informer.on_change(count)
        await set_image(cluster, "web:2")
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(3, "2"))
    assert max(alive for alive, _ in counts) <= 4
    assert min(ready for _, ready in counts) >= 3
    images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.items(PODS)}
    assert images == {"web:2"}


async def test_going_back_to_an_old_template_takes_its_set_under_a_new_revision(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web(1))
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(1))
        (first,) = await cluster.items(REPLICASETS)
        await set_image(cluster, "web:2")
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(1, "2"))
        await set_image(cluster, "web:1")
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(1, "3"))
    back = await cluster.get(REPLICASETS, meta.name(first))
    assert back is not None
    assert meta.annotations(back)["deployment.kubernetes.io/revision-history"] == "1"
    assert len(await cluster.items(REPLICASETS)) == 2


async def test_recreate_ends_the_old_pods_before_it_makes_new_ones(cluster: Cluster) -> None:
    images: list[set[str]] = []
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web(2, strategy={"type": "Recreate"}))
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(2))
        informer = cluster.informers.of(PODS)
        informer.on_change(lambda old, new: images.append({pod["spec"]["containers"][0]["image"] for pod in informer.items()}))
        await set_image(cluster, "web:2")
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(2, "2"))
    assert {"web:1", "web:2"} not in images


async def test_a_paused_deployment_scales_but_does_not_roll(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web(1))
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(1))
        template = {"spec": {"containers": [{"name": "c", "image": "web:2"}]}}
        await cluster.patch(DEPLOYMENTS, "web", {"spec": {"paused": True, "replicas": 2, "template": template}})
        shown = await cluster.until_one(DEPLOYMENTS, "web", lambda each: each["status"].get("availableReplicas") == 2)
        assert condition(shown, "Progressing") == "DeploymentPaused"
        assert len(await cluster.items(REPLICASETS)) == 1
        await cluster.patch(DEPLOYMENTS, "web", {"spec": {"paused": False}})
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(2, "2"))


async def test_a_rollout_that_does_not_progress_is_reported(cluster: Cluster) -> None:
    await cluster.create(DEPLOYMENTS, web(1, progressDeadlineSeconds=1))
    await cluster.until_one(DEPLOYMENTS, "web", lambda each: condition(each, "Progressing") == "ProgressDeadlineExceeded")


async def test_old_sets_beyond_the_limit_are_removed(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web(1, revisionHistoryLimit=1))
        for number in (2, 3, 4):
            await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(1, str(number - 1)))
            await set_image(cluster, f"web:{number}")
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(1, "4"))
        await cluster.until(REPLICASETS, lambda items: len(items) == 2)


async def test_scaling_is_an_event(cluster: Cluster) -> None:
    await cluster.create(DEPLOYMENTS, web(2))
    await cluster.until(EVENTS, lambda items: any("from 0 to 2" in each["message"] for each in items))


async def test_deleting_a_deployment_takes_its_sets_and_pods_along(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(DEPLOYMENTS, web(2))
        await cluster.until_one(DEPLOYMENTS, "web", is_rolled_out(2))
        await cluster.client.delete(DEPLOYMENTS, "web", "default")
        await cluster.until(PODS, lambda items: not items)
        await cluster.until(REPLICASETS, lambda items: not items)


@pytest.mark.timeout(20)
async def test_fifty_pods_are_made_in_well_under_a_second_of_cpu(cluster: Cluster) -> None:
    with takes_under(1.0):
        await cluster.create(DEPLOYMENTS, web(50))
        await cluster.until(PODS, lambda items: len(items) == 50)
    await asyncio.sleep(0)
    assert len(await cluster.items(PODS)) == 50
