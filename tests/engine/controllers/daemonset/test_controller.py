from typing import Any

from pilothouse.engine.controllers.daemonset import facts
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONTROLLERREVISIONS, DAEMONSETS, EVENTS, NODES, PODS
from tests.engine.controllers.conftest import Cluster, kubelet

LABELS = {"app": "agent"}


def template(image: str = "agent:1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def agent(image: str = "agent:1", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "agent"}, "spec": {"selector": {"matchLabels": LABELS}, "template": template(image), **spec}}


async def add_nodes(cluster: Cluster, *names: str, **labels: str) -> None:
    """Ready, so that the node controller leaves them alone."""
    for name in names:
        await cluster.create(NODES, {"metadata": {"name": name, "labels": labels}})
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]
        await cluster.client.patch(NODES, name, {"status": {"conditions": conditions}}, subresource="status")


def on(*nodes: str, image: str = "agent:1") -> Any:
    def holds(items: list[Object]) -> bool:
        staying = [pod for pod in items if not meta.is_deleting(pod)]
        found = sorted((facts.target_node(pod), pod["spec"]["containers"][0]["image"]) for pod in staying)
        return len(staying) == len(items) and found == [(each, image) for each in sorted(nodes)]

    return holds


def rolled_out(nodes: int) -> Any:
    def holds(found: Object) -> bool:
        status = found["status"]
        counts = [status.get(name, 0) for name in ("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")]
        return counts == [nodes] * 3 and status.get("observedGeneration") == meta.generation(found)

    return holds


async def set_template(cluster: Cluster, wanted: dict[str, Any]) -> None:
    await cluster.patch(DAEMONSETS, "agent", {"spec": {"template": wanted}})


async def test_nodes_get_a_pod_as_they_come_and_lose_it_when_they_no_longer_fit(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await add_nodes(cluster, "a", "b")
        await cluster.create(DAEMONSETS, agent())
        await cluster.until(PODS, on("a", "b"))
        await cluster.until_one(DAEMONSETS, "agent", rolled_out(2))
        await add_nodes(cluster, "c")
        await cluster.until(PODS, on("a", "b", "c"))
        await cluster.patch(NODES, "c", {"spec": {"taints": [{"key": "dedicated", "effect": "NoExecute"}]}})
        await cluster.until(PODS, on("a", "b"))


async def test_only_nodes_with_the_labels_get_a_pod(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await add_nodes(cluster, "a", disk="fast")
        await add_nodes(cluster, "b")
        await cluster.create(DAEMONSETS, agent(template=template(nodeSelector={"disk": "fast"})))
        await cluster.until(PODS, on("a"))
        await cluster.patch(NODES, "b", {"metadata": {"labels": {"disk": "fast"}}})
        await cluster.until(PODS, on("a", "b"))
        await cluster.patch(NODES, "a", {"metadata": {"labels": {"disk": None}}})
        await cluster.until(PODS, on("b"))


async def test_a_new_template_rolls_over_the_nodes_and_back(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await add_nodes(cluster, "a", "b", "c")
        await cluster.create(DAEMONSETS, agent())
        await cluster.until_one(DAEMONSETS, "agent", rolled_out(3))
        await set_template(cluster, template("agent:2"))
        await cluster.until_one(DAEMONSETS, "agent", rolled_out(3))
        await cluster.until(PODS, on("a", "b", "c", image="agent:2"))
        await set_template(cluster, template("agent:1"))
        await cluster.until(PODS, on("a", "b", "c"))
        kept = await cluster.until(CONTROLLERREVISIONS, lambda items: sorted(each["revision"] for each in items) == [2, 3] and items)
        hashes = {meta.labels(each)[facts.HASH_LABEL] for each in kept if each["revision"] == 3}
        assert {meta.labels(pod)[facts.HASH_LABEL] for pod in await cluster.items(PODS)} == hashes


async def test_with_surge_the_old_pod_stays_until_the_new_one_is_available(cluster: Cluster) -> None:
    await add_nodes(cluster, "a")
    await cluster.create(DAEMONSETS, agent(updateStrategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}))
    (old,) = await cluster.until(PODS, lambda items: items if len(items) == 1 else None)
    await cluster.make_ready(old)
    await set_template(cluster, template("agent:2"))
    both = await cluster.until(PODS, lambda items: items if len(items) == 2 else None)
    assert not any(meta.is_deleting(pod) for pod in both)
    await cluster.make_ready(next(pod for pod in both if meta.uid(pod) != meta.uid(old)))
    await cluster.until(PODS, on("a", image="agent:2"))


async def test_a_failed_pod_is_said_and_replaced(cluster: Cluster) -> None:
    await add_nodes(cluster, "a")
    await cluster.create(DAEMONSETS, agent())
    (pod,) = await cluster.until(PODS, lambda items: items)
    await cluster.set_pod(pod, phase="Failed")
    await cluster.until(PODS, lambda items: len(items) == 1 and meta.uid(items[0]) != meta.uid(pod))
    await cluster.until(EVENTS, lambda items: any(each["reason"] == "FailedDaemonPod" for each in items))


async def test_the_history_is_kept_within_its_limit_and_goes_with_its_set(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await add_nodes(cluster, "a")
        await cluster.create(DAEMONSETS, agent(revisionHistoryLimit=1))
        for image in ("agent:1", "agent:2", "agent:3"):
            await set_template(cluster, template(image))
            await cluster.until(PODS, on("a", image=image))
        await cluster.until(CONTROLLERREVISIONS, lambda items: sorted(each["revision"] for each in items) == [2, 3])
        await cluster.client.delete(DAEMONSETS, "agent", "default", propagation="Foreground")
        await cluster.until(DAEMONSETS, lambda items: not items)
        await cluster.until(PODS, lambda items: not items)
        await cluster.until(CONTROLLERREVISIONS, lambda items: not items)


async def test_orphans_are_adopted(cluster: Cluster) -> None:
    async with kubelet(cluster):
        await add_nodes(cluster, "a")
        await cluster.create(DAEMONSETS, agent())
        await cluster.until_one(DAEMONSETS, "agent", rolled_out(1))
        (before,) = await cluster.items(PODS)
        await cluster.client.delete(DAEMONSETS, "agent", "default", propagation="Orphan")
        await cluster.until(DAEMONSETS, lambda items: not items)
        await cluster.create(DAEMONSETS, agent())
        await cluster.until_one(DAEMONSETS, "agent", rolled_out(1))
        assert [meta.uid(pod) for pod in await cluster.items(PODS)] == [meta.uid(before)]


async def test_a_pod_that_waits_for_a_node_that_is_gone_goes(cluster: Cluster) -> None:
    await add_nodes(cluster, "a")
    await cluster.create(DAEMONSETS, agent())
    await cluster.until(PODS, on("a"))
    await cluster.client.delete(NODES, "a")
    await cluster.until(PODS, lambda items: not items)
