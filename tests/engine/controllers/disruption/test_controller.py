import asyncio
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Conflict, TooManyRequests
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, EVENTS, JOBS, PODDISRUPTIONBUDGETS, PODS
from tests.engine.controllers.conftest import Cluster, kubelet

LABELS = {"app": "web"}
POD: Object = {"containers": [{"name": "c", "image": "web:1"}]}


def budget(name: str = "b", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": LABELS}} | spec}


async def bare(cluster: Cluster, name: str, *, ready: bool = True) -> Object:
    pod = await cluster.create(PODS, {"metadata": {"name": name, "labels": LABELS}, "spec": POD})
    if ready:
        return await cluster.make_ready(pod)
    return await cluster.set_pod(pod, phase="Running", conditions=[{"type": "Ready", "status": "False"}])


async def evict(cluster: Cluster, name: str, **options: Any) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options}
    await cluster.client.call("POST", f"{PODS.path('default', name)}/eviction", body=body)


async def allowed(cluster: Cluster, count: int, name: str = "b") -> Object:
    def holds(each: Object) -> bool:
        status = each["status"]
        return status.get("observedGeneration") == meta.generation(each) and status["disruptionsAllowed"] == count

    return await cluster.until_one(PODDISRUPTIONBUDGETS, name, holds)


async def left(cluster: Cluster) -> list[str]:
    return sorted(meta.name(pod) for pod in await cluster.items(PODS) if not meta.is_deleting(pod))


def because(error: ApiError) -> str:
    (cause,) = (error.details or {})["causes"]
    assert cause["reason"] == "DisruptionBudget"
    message: str = cause["message"]
    return message


async def test_a_budget_counts_what_a_deployment_wants(cluster: Cluster) -> None:
    template = {"metadata": {"labels": LABELS}, "spec": POD}
    async with kubelet(cluster):
        await cluster.create(PODDISRUPTIONBUDGETS, budget(maxUnavailable="50%"))
        spec = {"replicas": 3, "selector": {"matchLabels": LABELS}, "template": template}
        await cluster.create(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": spec})
        shown = await allowed(cluster, 2)
        counts = {name: shown["status"][name] for name in ("expectedPods", "desiredHealthy", "currentHealthy")}
        assert counts == {"expectedPods": 3, "desiredHealthy": 1, "currentHealthy": 3}


async def test_only_as_many_pods_are_evicted_as_the_budget_has_room_for(cluster: Cluster) -> None:
    for name in ("p1", "p2", "p3"):
        await bare(cluster, name)
    await cluster.create(PODDISRUPTIONBUDGETS, budget(minAvailable=2))
    await allowed(cluster, 1)
    await evict(cluster, "p1")
    with pytest.raises(TooManyRequests) as caught:
        await evict(cluster, "p2")
    assert caught.value.message == "Cannot evict pod as it would violate the pod's disruption budget."
    assert because(caught.value) in (
        "The disruption budget b needs 2 healthy pods and has 3 currently",
        "The disruption budget b needs 2 healthy pods and has 2 currently",
    )
    assert await left(cluster) == ["p2", "p3"]


async def test_of_evictions_at_once_no_more_are_granted_than_there_is_room_for(cluster: Cluster) -> None:
    names = ["p1", "p2", "p3", "p4"]
    for name in names:
        await bare(cluster, name)
    await cluster.create(PODDISRUPTIONBUDGETS, budget(minAvailable=2))
    await allowed(cluster, 2)
    outcomes = await asyncio.gather(*(evict(cluster, name) for name in names), return_exceptions=True)
    refused = [each for each in outcomes if each is not None]
    assert len(refused) == 2
    assert all(isinstance(each, TooManyRequests) for each in refused)
    assert len(await left(cluster)) == 2


async def test_an_evicted_pod_says_by_whom_it_was(cluster: Cluster) -> None:
    pod = await cluster.create(PODS, {"metadata": {"name": "p", "labels": LABELS, "finalizers": ["example.com/held"]}, "spec": POD})
    await cluster.make_ready(pod)
    await evict(cluster, "p")
    condition = meta.condition(await cluster.client.get(PODS, "p", "default"), "DisruptionTarget")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("True", "EvictionByEvictionAPI")


async def test_a_dry_run_asks_the_budget_and_takes_nothing_from_it(cluster: Cluster) -> None:
    await bare(cluster, "p1")
    await cluster.create(PODDISRUPTIONBUDGETS, budget(minAvailable=0))
    await allowed(cluster, 1)
    await evict(cluster, "p1", dryRun=["All"])
    assert await left(cluster) == ["p1"]
    assert "disruptedPods" not in (await allowed(cluster, 1))["status"]


@pytest.mark.parametrize(("policy", "goes"), [("AlwaysAllow", True), ("IfHealthyBudget", False)])
async def test_what_becomes_of_unhealthy_pods_is_said_by_the_policy(cluster: Cluster, policy: str, goes: bool) -> None:
    await bare(cluster, "p1", ready=False)
    await cluster.create(PODDISRUPTIONBUDGETS, budget(minAvailable=1, unhealthyPodEvictionPolicy=policy))
    await allowed(cluster, 0)
    if goes:
        await evict(cluster, "p1")
    else:
        with pytest.raises(TooManyRequests):
            await evict(cluster, "p1")
    assert await left(cluster) == ([] if goes else ["p1"])


async def test_two_budgets_for_a_pod_are_more_than_evictions_can_do(cluster: Cluster) -> None:
    await bare(cluster, "p1")
    for name in ("b", "c"):
        await cluster.create(PODDISRUPTIONBUDGETS, budget(name, minAvailable=0))
        await allowed(cluster, 1, name)
    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as caught:
        await evict(cluster, "p1")
    assert caught.value.code == 500


async def test_another_pod_of_the_name_is_not_evicted_and_costs_nothing(cluster: Cluster) -> None:
    await bare(cluster, "p1")
    await cluster.create(PODDISRUPTIONBUDGETS, budget(minAvailable=0))
    await allowed(cluster, 1)
    with pytest.raises(Conflict):
        await evict(cluster, "p1", preconditions={"uid": "another"})
    await allowed(cluster, 1)


async def test_pods_whose_owner_has_no_scale_allow_nothing_and_it_is_said(cluster: Cluster) -> None:
    pod = {"metadata": {"labels": LABELS}, "spec": POD | {"restartPolicy": "Never"}}
    await cluster.create(JOBS, {"metadata": {"name": "j"}, "spec": {"template": pod}})
    (made,) = await cluster.until(PODS, lambda items: items)
    await cluster.make_ready(made)
    await cluster.create(PODDISRUPTIONBUDGETS, budget(maxUnavailable=1))
    failed = await cluster.until_one(PODDISRUPTIONBUDGETS, "b", lambda each: meta.condition(each, "DisruptionAllowed"))
    assert (meta.condition(failed, "DisruptionAllowed") or {})["reason"] == "SyncFailed"
    await cluster.until(EVENTS, lambda items: "CalculateExpectedPodCountFailed" in [each["reason"] for each in items])
    with pytest.raises(TooManyRequests) as caught:
        await evict(cluster, meta.name(made))
    assert "is still being processed" in because(caught.value) or "failed sync" in because(caught.value)


async def test_a_pod_that_was_to_be_disrupted_and_was_not_says_so_no_longer(cluster: Cluster) -> None:
    pod = await bare(cluster, "p1")
    target = {"type": "DisruptionTarget", "status": "True", "reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    await cluster.set_pod(pod, conditions=[*pod["status"]["conditions"], target])
    found = await cluster.until_one(PODS, "p1", lambda each: (meta.condition(each, "DisruptionTarget") or {}).get("status") == "False")
    assert meta.is_true(found, "Ready")
