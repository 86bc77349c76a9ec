from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS, REPLICASETS
from tests.engine.controllers.conftest import Cluster, kubelet


def web(replicas: int, name: str = "web", **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "web:1"}]}}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod} | spec}


def many(count: int) -> Any:
    return lambda items: len(items) == count and all(not meta.is_deleting(each) for each in items)


async def test_it_makes_exactly_the_pods_it_lacks(cluster: Cluster) -> None:
    await cluster.create(REPLICASETS, web(20))
    await cluster.until(PODS, many(20))
    shown = await cluster.until_one(REPLICASETS, "web", lambda each: each["status"].get("replicas") == 20)
    assert shown["status"]["fullyLabeledReplicas"] == 20
    pods = await cluster.items(PODS)
    assert len(pods) == 20
    assert all((meta.controller_of(pod) or {}).get("name") == "web" for pod in pods)


async def test_ready_pods_show_in_the_status(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(REPLICASETS, web(3))
        await cluster.until_one(REPLICASETS, "web", lambda each: each["status"].get("availableReplicas") == 3)


async def test_a_deleted_pod_is_replaced(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await cluster.create(REPLICASETS, web(2))
        pods = await cluster.until(PODS, lambda items: items if len(items) == 2 else None)
        gone = meta.name(pods[0])
        await cluster.client.delete(PODS, gone, "default")
        await cluster.until(PODS, lambda items: len(items) == 2 and gone not in map(meta.name, items))


async def test_scaling_down_deletes_the_unready_first(cluster: Cluster) -> None:
    await cluster.create(REPLICASETS, web(3))
    pods = await cluster.until(PODS, lambda items: items if len(items) == 3 else None)
    await cluster.make_ready(pods[1])
    await cluster.until_one(REPLICASETS, "web", lambda each: each["status"].get("readyReplicas") == 1)
    await cluster.patch(REPLICASETS, "web", {"spec": {"replicas": 1}})
    (left,) = await cluster.until(PODS, lambda items: items if len(items) == 1 else None)
    assert meta.name(left) == meta.name(pods[1])


async def test_an_orphan_is_adopted_and_a_relabelled_pod_released(cluster: Cluster) -> None:
    await cluster.create(PODS, {"metadata": {"name": "orphan", "labels": {"app": "web"}}, "spec": web(1)["spec"]["template"]["spec"]})
    await cluster.create(REPLICASETS, web(1))
    await cluster.until_one(PODS, "orphan", lambda pod: meta.controller_of(pod) is not None)
    await cluster.patch(PODS, "orphan", {"metadata": {"labels": {"app": "debug"}}})
    await cluster.until_one(PODS, "orphan", lambda pod: meta.controller_of(pod) is None)
    await cluster.until(PODS, many(2))


async def test_a_refused_pod_shows_as_condition_and_event(cluster: Cluster) -> None:
    refused = web(1)
    refused["spec"]["template"]["spec"]["serviceAccountName"] = "nobody"
    await cluster.create(REPLICASETS, refused)

    def says(each: Object) -> bool:
        return any(c["type"] == "ReplicaFailure" and "nobody" in c["message"] for c in each["status"].get("conditions", []))

    await cluster.until_one(REPLICASETS, "web", says)
    await cluster.until(EVENTS, lambda items: any(each["reason"] == "FailedCreate" for each in items))


async def test_events_name_the_pods(cluster: Cluster) -> None:
    await cluster.create(REPLICASETS, web(1))
    (pod,) = await cluster.until(PODS, lambda items: items if items else None)
    words = f"Created pod: {meta.name(pod)}"
    await cluster.until(EVENTS, lambda items: any(each["message"] == words for each in items))
