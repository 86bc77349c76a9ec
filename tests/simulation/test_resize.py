"""Pods that are resized as they run: what is allotted, what waits, what is restarted, and what survives the agent."""

import asyncio
from typing import Any

from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, NODES, PODS
from tests.simulation.cluster import Simulated
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, container, pod


def asks(cpu: str, memory: str = "32Mi") -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": "64Mi"}}


def sized(name: str = "p", cpu: str = "100m", **more: Any) -> Object:
    return pod(name, containers=[container(resources=asks(cpu), **more)])


async def resize(cluster: Simulated, resources: Object, name: str = "p") -> None:
    patch = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    await cluster.patch(PODS, name, patch, type=STRATEGIC_PATCH, subresource="resize")


def shown(found: Object | None) -> Object:
    return next(iter(((found or {}).get("status") or {}).get("containerStatuses") or ()), {})


def has(cpu: str) -> Any:
    return lambda found: (shown(found).get("resources") or {}).get("requests", {}).get("cpu") == cpu and resize_conditions(found) == {}


def resize_conditions(found: Object | None) -> dict[str, str]:
    conditions = ((found or {}).get("status") or {}).get("conditions") or ()
    return {each["type"]: each.get("reason", "") for each in conditions if each["type"].startswith("PodResize")}


def pends(reason: str) -> Any:
    return lambda found: resize_conditions(found) == {"PodResizePending": reason}


def shares(cluster: Simulated) -> list[int]:
    return [cluster.runtime.configs[each.id].linux.resources.cpu_shares for each in cluster.runtime.running()]


async def cores(cluster: Simulated) -> int:
    return int((await cluster.items(NODES, None))[0]["status"]["allocatable"]["cpu"])


def test_a_container_is_given_more_and_less_as_it_runs(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        before = shown(await cluster.runs(sized()))
        for cpu, weight in (("300m", 307), ("50m", 51)):
            await resize(cluster, {"requests": {"cpu": cpu}})
            found = shown(await cluster.until(PODS, "p", has(cpu), 5))
            assert (found["containerID"], found["restartCount"]) == (before["containerID"], 0)
            assert found["allocatedResources"]["cpu"] == cpu
            assert shares(cluster) == [weight]
        reasons = [each["reason"] for each in await cluster.items(EVENTS)]
        assert {"ResizeStarted", "ResizeCompleted"} <= set(reasons)
        calls = len(cluster.runtime.called("UpdateContainerResources"))
        await asyncio.sleep(1000)
        assert len(cluster.runtime.called("UpdateContainerResources")) == calls == 2

    play(scene)


def test_a_container_whose_policy_says_so_is_restarted_with_them(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(sized(resizePolicy=[{"resourceName": "memory", "restartPolicy": "RestartContainer"}]))
        await resize(cluster, {"requests": {"cpu": "200m"}})
        assert shown(await cluster.until(PODS, "p", has("200m"), 5))["restartCount"] == 0
        await resize(cluster, {"limits": {"memory": "128Mi"}})
        found = await cluster.until(PODS, "p", lambda each: shown(each)["restartCount"] == 1 and meta.is_true(each, "Ready"), 60)
        assert shown(found)["resources"]["limits"] == {"memory": "128Mi"}
        (runs,) = cluster.runtime.running()
        assert cluster.runtime.configs[runs.id].linux.resources.memory_limit_in_bytes == 128 * 2**20
        assert len(cluster.runtime.called("UpdateContainerResources")) == 1

    play(scene)


def test_what_the_node_can_never_give_is_said_and_nothing_changes(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(sized())
        await resize(cluster, {"requests": {"cpu": "4000"}})
        found = await cluster.until(PODS, "p", pends("Infeasible"), 5)
        assert shown(found)["allocatedResources"]["cpu"] == "100m"
        assert cluster.runtime.called("UpdateContainerResources") == []
        await resize(cluster, {"requests": {"cpu": "200m"}})
        await cluster.until(PODS, "p", has("200m"), 5)

    play(scene)


def test_what_has_no_room_now_waits_until_another_pod_has_gone(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        whole = await cores(cluster)
        await cluster.runs(sized())
        await cluster.runs(sized("other", cpu=f"{whole * 1000 - 200}m"))
        await resize(cluster, {"requests": {"cpu": "500m"}})
        found = await cluster.until(PODS, "p", pends("Deferred"), 5)
        assert shown(found)["allocatedResources"]["cpu"] == "100m"
        await cluster.client.delete(PODS, "other", "default")
        await cluster.until(PODS, "p", has("500m"), 60)

    play(scene)


def test_a_pod_whose_allotment_the_next_agent_has_not_read_yet_leaves_no_room_that_may_be_its_own(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime, context = cluster.runtime, cluster.agent._context
        runtime.holds(IMAGE)
        assert context is not None
        await cluster.runs(sized())
        await resize(cluster, {"requests": {"cpu": "500m"}})
        found = await cluster.until(PODS, "p", has("500m"), 5)
        taken_over = PodWorker(context, found, list(runtime.boxes.values()), runtime.running())
        assert taken_over.asks["cpu"] == 500

    play(scene)


def test_room_for_one_is_not_given_to_two(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        whole = await cores(cluster)
        for name in ("p", "q"):
            await cluster.runs(sized(name))
        wanted: Object = {"requests": {"cpu": f"{whole * 1000 - 150}m"}}
        await asyncio.gather(resize(cluster, wanted), resize(cluster, wanted, "q"))
        await asyncio.sleep(30)
        found = [resize_conditions(await cluster.get(PODS, name)) for name in ("p", "q")]
        assert sorted(found, key=len) == [{}, {"PodResizePending": "Deferred"}]

    play(scene)


def test_room_goes_to_who_matters_most_of_those_that_wait_and_then_to_who_has_waited_longest(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        whole = await cores(cluster)
        await cluster.runs(sized("first"))
        await cluster.runs(sized("second"))
        await cluster.runs(pod("matters", containers=[container(resources=both("100m"))]))
        await cluster.runs(sized("other", cpu=f"{whole * 1000 - 500}m"))
        for name, wanted in (
            ("first", {"requests": {"cpu": "500m"}}),
            ("second", {"requests": {"cpu": "500m"}}),
            ("matters", both("500m")),
        ):
            await resize(cluster, wanted, name)
            await cluster.until(PODS, name, pends("Deferred"), 5)
            await asyncio.sleep(20)
        for name, left in (("matters", f"{whole * 1000 - 900}m"), ("first", f"{whole * 1000 - 1300}m")):
            await resize(cluster, {"requests": {"cpu": left}}, "other")
            await cluster.until(PODS, name, has("500m"), 10)
        assert pends("Deferred")(await cluster.get(PODS, "second"))

    play(scene)


def both(cpu: str) -> Object:
    amounts = {"cpu": cpu, "memory": "32Mi"}
    return {"requests": amounts, "limits": amounts}


def test_a_resize_that_the_runtime_refuses_is_told_and_tried_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(sized())
        cluster.runtime.fail("UpdateContainerResources", why="no")
        await resize(cluster, {"requests": {"cpu": "200m"}})
        found = await cluster.until(PODS, "p", lambda each: resize_conditions(each) == {"PodResizeInProgress": "Error"}, 5)
        assert shown(found)["resources"]["requests"]["cpu"] == "100m"
        assert shown(found)["allocatedResources"]["cpu"] == "200m"
        cluster.runtime.mend()
        await cluster.until(PODS, "p", has("200m"), 120)

    play(scene)


def test_a_memory_limit_below_what_is_used_waits_until_less_is_used(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(sized())
        (runs,) = cluster.runtime.running()
        cluster.runtime.uses[runs.id] = 60 * 2**20
        await resize(cluster, {"limits": {"memory": "40Mi"}})
        found = await cluster.until(PODS, "p", lambda each: resize_conditions(each) == {"PodResizeInProgress": "Error"}, 5)
        told = next(each["message"] for each in found["status"]["conditions"] if each["type"] == "PodResizeInProgress")
        assert "below current usage" in told
        assert cluster.runtime.called("UpdateContainerResources") == []
        cluster.runtime.uses[runs.id] = 10 * 2**20
        found = await cluster.until(PODS, "p", lambda each: resize_conditions(each) == {}, 120)
        assert shown(found)["resources"]["limits"] == {"memory": "40Mi"}

    play(scene)


def test_what_a_smaller_pod_leaves_is_given_to_one_that_waits_for_a_node(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        whole = await cores(cluster)
        await cluster.runs(sized(cpu=f"{whole * 1000 - 100}m"))
        await cluster.create(PODS, sized("waits", cpu="500m"))
        await cluster.until(PODS, "waits", lambda found: (meta.condition(found or {}, "PodScheduled") or {}).get("status") == "False")
        await resize(cluster, {"requests": {"cpu": "100m"}})
        await cluster.until(PODS, "waits", lambda found: bool(found and found["spec"].get("nodeName")), 5)

    play(scene)
