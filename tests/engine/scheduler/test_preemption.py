"""More important pods get room in a simulated cluster, and keep it until they are there."""

import asyncio
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, EVENTS, NODES, PODDISRUPTIONBUDGETS, PODS, PRIORITYCLASSES
from tests.simulation.cluster import NODE, Simulated
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, container, deployment, pod


async def classes(cluster: Simulated) -> None:
    cluster.runtime.holds(IMAGE)
    for name, value, policy in (("urgent", 1000, "PreemptLowerPriority"), ("patient", 1000, "Never"), ("middle", 500, "Never")):
        wanted = {"metadata": {"name": name}, "value": value, "preemptionPolicy": policy}
        await cluster.create(PRIORITYCLASSES, wanted)


async def whole(cluster: Simulated, share: float = 1.0) -> Object:
    """A container that asks for that share of the node's processors."""
    node = await cluster.get(NODES, NODE) or {}
    cpu = node["status"]["allocatable"]["cpu"]
    milli = int(cpu.removesuffix("m")) if cpu.endswith("m") else int(cpu) * 1000
    slow_end = {"preStop": {"sleep": {"seconds": 10}}}
    return container(resources={"requests": {"cpu": f"{int(milli * share)}m"}}, lifecycle=slow_end)


def is_bound(found: Object | None) -> bool:
    return found is not None and found["spec"].get("nodeName") == NODE


def is_refused(found: Object | None) -> bool:
    return (meta.condition(found or {}, "PodScheduled") or {}).get("reason") == "Unschedulable"


def test_a_more_important_pod_takes_the_room_of_a_lesser_one_that_ends_in_order(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await classes(cluster)
        await cluster.runs(pod("small", await whole(cluster, 0.2)))
        await cluster.runs(pod("lesser", await whole(cluster, 0.7)))
        await cluster.create(PODS, pod("urgent", await whole(cluster, 0.6), priorityClassName="urgent"))
        waiting = await cluster.until(PODS, "urgent", lambda found: found is not None and found["status"].get("nominatedNodeName"))
        assert (waiting["status"]["nominatedNodeName"], waiting["spec"].get("nodeName")) == (NODE, None)
        going = await cluster.until(PODS, "lesser", lambda found: found is not None and meta.is_deleting(found))
        condition = meta.condition(going, "DisruptionTarget") or {}
        assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
        bound = await cluster.until(PODS, "urgent", is_bound)
        assert "nominatedNodeName" not in bound["status"]
        assert is_bound(await cluster.get(PODS, "small"))
        said = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "Preempted"]
        assert said == [f"Preempted by pod {meta.uid(bound)} on node {NODE}"]

    play(scene)


def test_room_that_is_being_made_is_not_taken_by_a_lesser_pod(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await classes(cluster)
        await cluster.runs(pod("lesser", await whole(cluster)))
        await cluster.create(PODS, pod("middle", await whole(cluster), priorityClassName="middle"))
        await cluster.until(PODS, "middle", is_refused)
        await cluster.create(PODS, pod("urgent", await whole(cluster), priorityClassName="urgent"))
        await cluster.until(PODS, "urgent", is_bound)
        assert not is_bound(await cluster.get(PODS, "middle"))
        await cluster.client.delete(PODS, "urgent", "default")
        await cluster.until(PODS, "middle", is_bound)

    play(scene)


def test_nobody_goes_for_a_pod_whose_class_never_preempts_nor_for_an_equal(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await classes(cluster)
        await cluster.runs(pod("first", await whole(cluster), priorityClassName="middle"))
        for name, of_class in (("patient", "patient"), ("equal", "middle")):
            await cluster.create(PODS, pod(name, await whole(cluster), priorityClassName=of_class))
            found = await cluster.until(PODS, name, is_refused)
            assert not found["status"].get("nominatedNodeName")
        first = await cluster.get(PODS, "first")
        assert first is not None
        assert not meta.is_deleting(first)

    play(scene)


def test_a_pod_that_a_budget_protects_goes_when_nothing_else_helps(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await classes(cluster)
        budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "protected"}}}
        await cluster.create(PODDISRUPTIONBUDGETS, {"metadata": {"name": "guard"}, "spec": budget})
        await cluster.runs(pod("other", await whole(cluster, 0.4)))
        await asyncio.sleep(5)  # The older one counts as the more important: without the budget the protected one would go.
        protected = pod("protected", await whole(cluster, 0.4))
        await cluster.runs(protected | {"metadata": protected["metadata"] | {"labels": {"app": "protected"}}})
        await cluster.until(PODDISRUPTIONBUDGETS, "guard", lambda found: bool((found or {}).get("status", {}).get("currentHealthy") == 1))
        for name in ("urgent-1", "urgent-2"):
            await cluster.create(PODS, pod(name, await whole(cluster, 0.4), priorityClassName="urgent"))
            await cluster.until(PODS, name, is_bound)
            left = {"urgent-1": {"protected", "urgent-1"}, "urgent-2": {"urgent-1", "urgent-2"}}[name]
            assert {meta.name(each) for each in await cluster.items(PODS) if not meta.is_deleting(each)} == left

    play(scene)


def test_of_pods_that_wait_the_most_important_goes_first(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        await classes(cluster)
        await cluster.patch(NODES, NODE, {"spec": {"unschedulable": True}})
        for name, of_class in (("plain", ""), ("middle", "middle"), ("urgent", "urgent")):
            more: Any = {"priorityClassName": of_class} if of_class else {}
            await cluster.create(PODS, pod(name, await whole(cluster), **more))
            await cluster.until(PODS, name, is_refused)
        await cluster.patch(NODES, NODE, {"spec": {"unschedulable": None}})
        await cluster.until(PODS, "urgent", is_bound)
        assert not is_bound(await cluster.get(PODS, "plain"))

    play(scene)


def test_replicas_of_a_deployment_are_spread_over_nodes(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        node = await cluster.get(NODES, NODE) or {}
        for name in ("node-2", "node-3"):
            labels = meta.labels(node) | {"kubernetes.io/hostname": name}
            await cluster.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": node["status"]})
            await cluster.patch(NODES, name, {"spec": {"taints": None}})
        await cluster.create(DEPLOYMENTS, deployment(replicas=6))

        async def placed() -> list[str]:
            return [each["spec"].get("nodeName", "") for each in await cluster.items(PODS)]

        await cluster.until(DEPLOYMENTS, "d", lambda found: bool((found or {}).get("status", {}).get("replicas") == 6))
        for each in await cluster.items(PODS):
            await cluster.until(PODS, meta.name(each), lambda found: bool(found and found["spec"].get("nodeName")))
        assert sorted(await placed()) == sorted([NODE, "node-2", "node-3"] * 2)

    play(scene)
