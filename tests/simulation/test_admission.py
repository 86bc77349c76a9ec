"""What the node takes of what somebody else than the scheduler has placed on it."""

import asyncio
from typing import Any

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NODES, PODS
from pilothouse.model.quantity import Quantity
from tests.simulation.cluster import NODE, Simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod


def asking(name: str, cpu_milli: int, **spec: object) -> Object:
    return pod(name, container(resources={"requests": {"cpu": f"{cpu_milli}m"}}), nodeName=NODE, **spec)


async def whole_milli(cluster: Simulated) -> int:
    node = await cluster.get(NODES, NODE) or {}
    return Quantity.of(node["status"]["allocatable"]["cpu"]).milli_value


def is_rejected(found: Object | None) -> bool:
    return found is not None and found["status"].get("reason") == "OutOfcpu"


def test_pods_that_come_together_are_not_given_the_same_room(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        share = await whole_milli(cluster) // 2
        names = [f"p{number}" for number in range(5)]
        for name in names:
            await cluster.create(PODS, asking(name, share))
        await asyncio.sleep(30)
        found = [await cluster.get(PODS, name) or {} for name in names]
        assert [meta.is_true(each, "Ready") for each in found] == [True, True, False, False, False]
        assert [is_rejected(each) for each in found] == [False, False, True, True, True]
        message = found[-1]["status"]["message"]
        assert (
            message
            == f"Pod was rejected: Node didn't have enough resource: cpu, requested: {share}, used: {2 * share}, capacity: {2 * share}"
        )
        assert {each["reason"] for each in await cluster.items(EVENTS) if each["involvedObject"]["name"] == "p4"} >= {"OutOfcpu"}
        assert len(cluster.runtime.boxes) == 2

    play(scene)


def test_what_has_ended_or_was_rejected_leaves_its_room(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(runs_s=5)
        whole = await whole_milli(cluster)
        await cluster.create(PODS, asking("first", whole, restartPolicy="Never"))
        await cluster.create(PODS, asking("second", whole, restartPolicy="Never"))
        await cluster.until(PODS, "second", is_rejected)
        await cluster.until(PODS, "first", lambda found: found["status"].get("phase") == "Succeeded")
        await cluster.runs(asking("third", whole, restartPolicy="Never"))

    play(scene)


def test_pods_of_the_system_are_taken_although_there_is_no_room(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        whole = await whole_milli(cluster)
        await cluster.runs(asking("usual", whole))
        await cluster.runs(asking("system", whole, priorityClassName="system-node-critical"))

    play(scene)


def test_a_pod_keeps_its_room_when_its_sandbox_is_made_anew(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(asking("p", await whole_milli(cluster)))
        (box,) = cluster.runtime.boxes
        cluster.runtime.crash_sandbox(box)
        await asyncio.sleep(5)
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"))

    play(scene)


def has_failed_for(reason: str) -> Any:
    return lambda found: found is not None and (found["status"].get("phase"), found["status"].get("reason")) == ("Failed", reason)


def test_a_pod_that_asks_for_other_nodes_is_not_taken_until_the_node_is_such_a_one(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod("early", nodeName=NODE, nodeSelector={"disk": "ssd"}))
        await cluster.until(PODS, "early", has_failed_for("NodeAffinity"))
        await cluster.patch(NODES, NODE, {"metadata": {"labels": {"disk": "ssd"}}})
        await cluster.runs(pod("late", nodeName=NODE, nodeSelector={"disk": "ssd"}))
        assert len(cluster.runtime.boxes) == 1

    play(scene)


def test_a_pod_is_not_taken_that_asks_for_nodes_without_a_label_that_somebody_gave_this_one(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        terms = [{"matchExpressions": [{"key": "dedicated", "operator": "DoesNotExist"}]}]
        affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
        await cluster.runs(pod("early", nodeName=NODE, affinity=affinity))
        await cluster.patch(NODES, NODE, {"metadata": {"labels": {"dedicated": "database"}}})
        await cluster.create(PODS, pod("late", nodeName=NODE, affinity=affinity))
        await cluster.until(PODS, "late", has_failed_for("NodeAffinity"))
        assert meta.is_true(await cluster.get(PODS, "early") or {}, "Ready")

    play(scene)


def test_a_port_of_the_node_is_one_pods_until_that_ends(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        ports = container(ports=[{"containerPort": 80, "hostPort": 8080}])
        for name in ("first", "second"):
            await cluster.create(PODS, pod(name, ports, nodeName=NODE, priorityClassName="system-node-critical"))
        await cluster.until(PODS, "second", has_failed_for("NodePorts"))
        await cluster.until(PODS, "first", lambda found: meta.is_true(found, "Ready"))
        await cluster.client.delete(PODS, "first", "default")
        await cluster.runs(pod("third", ports, nodeName=NODE))

    play(scene)
