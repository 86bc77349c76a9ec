"""The end of a node: pods end in the order of their priority, within the time, and say why."""

import asyncio

from pilothouse.engine.node.shutdown import AFTER_KILL_S
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import DEPLOYMENTS, NODES, PODS
from tests.simulation.cluster import NODE, Simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, deployment, pod
from tests.simulation.test_static import NAME, shown, static, write

WHY = "Pod was terminated in response to imminent node shutdown."


def now() -> float:
    return asyncio.get_running_loop().time()


def has_failed(found: Object | None) -> bool:
    return found is not None and found["status"].get("phase") == "Failed"


def test_pods_end_in_the_order_of_their_priority_and_say_why(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "critical:1")
        runtime.programs[IMAGE] = Program(term_s=3)
        hook = {"preStop": {"exec": {"command": ["bye"]}}}
        await cluster.runs(pod("p", container(lifecycle=hook)))
        await cluster.create(PODS, pod("c", container(image="critical:1"), priorityClassName="system-node-critical"), "kube-system")
        await asyncio.sleep(5)
        began = now()
        assert await cluster.agent.shut_down(60, 10) == []
        assert now() - began < 10, "nobody waits when all has ended"
        stops = {each.subject: each for each in runtime.called("StopContainer")}
        images = {stops[id].at: runtime.inside[id].image for id in stops}
        assert [images[at] for at in sorted(images)] == [IMAGE, "critical:1"]
        assert max(images) - min(images) >= 3, "the critical one was told when the other had ended"
        assert [each.subject for each in runtime.called("ExecSync")] == ["bye"]
        for name, namespace in (("p", "default"), ("c", "kube-system")):
            found = await cluster.get(PODS, name, namespace) or {}
            status = found["status"]
            assert (status["phase"], status["reason"], status["message"]) == ("Failed", "Terminated", WHY)
            assert (meta.condition(found, "DisruptionTarget") or {})["reason"] == "TerminationByKubelet"
            assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
        assert not any(each.ready for each in runtime.boxes.values())

    play(scene)


def test_no_grace_is_longer_than_what_is_left(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod("slow", terminationGracePeriodSeconds=3600))
        await cluster.runs(pod("leaving", terminationGracePeriodSeconds=3600))
        await cluster.client.delete(PODS, "leaving", "default")
        await asyncio.sleep(5)
        began = now()
        assert await cluster.agent.shut_down(30, 10) == []
        assert 20 <= now() - began < 20 + AFTER_KILL_S
        assert not runtime.running()
        assert await cluster.get(PODS, "leaving") is None

    play(scene)


def test_a_runtime_that_does_not_answer_holds_up_the_end_no_longer_than_that(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        cluster.runtime.fail("StopContainer")
        began = now()
        assert await cluster.agent.shut_down(30, 10) == ["default/p"]
        assert now() - began < 45

    play(scene)


def test_the_node_takes_nothing_more_and_says_so(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        assert await cluster.agent.shut_down(30, 10) == []
        await cluster.until(NODES, NODE, lambda node: is_stopping(node), 5)
        await cluster.create(PODS, pod(nodeName=NODE))
        found = await cluster.until(PODS, "p", has_failed, 5)
        assert (found["status"]["reason"], found["status"]["message"]) == ("NodeShutdown", "Pod was rejected as the node is shutting down.")
        assert not cluster.runtime.called("RunPodSandbox")
        await asyncio.sleep(600)
        assert is_stopping(await cluster.get(NODES, NODE) or {})

    play(scene)


def is_stopping(node: Object) -> bool:
    ready = meta.condition(node, "Ready") or {}
    return (ready.get("status"), ready.get("message")) == ("False", "node is shutting down")


def test_what_a_controller_wants_waits_for_a_node(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(DEPLOYMENTS, deployment(replicas=2))
        await cluster.until(DEPLOYMENTS, "d", lambda found: found["status"].get("readyReplicas") == 2)
        await cluster.agent.shut_down(30, 10)
        await asyncio.sleep(30)
        pods = await cluster.items(PODS)
        assert sum(map(has_failed, pods)) <= 2, "no storm of pods that are refused"
        assert not cluster.runtime.running()

    play(scene)


def test_a_static_pod_ends_with_the_node(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        write(cluster, static())
        await shown(cluster)
        await cluster.agent.shut_down(30, 10)
        found = await cluster.until(PODS, NAME, has_failed, 5)
        assert found["status"]["reason"] == "Terminated"
        await asyncio.sleep(60)
        assert not cluster.runtime.running()

    play(scene)


def test_whoever_hangs_up_leaves_a_node_that_takes_pods_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "critical:1")
        runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod("slow", terminationGracePeriodSeconds=15))
        await cluster.create(PODS, pod("c", container(image="critical:1"), priorityClassName="system-node-critical"), "kube-system")
        await asyncio.sleep(5)
        asking = asyncio.create_task(cluster.agent.shut_down(60, 10))
        await asyncio.sleep(5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await cluster.until(NODES, NODE, lambda node: meta.is_true(node, "Ready"), 30)
        await cluster.until(PODS, "slow", has_failed, 30)
        await cluster.runs(pod("new", container(image="critical:1")))
        found = await cluster.get(PODS, "c", "kube-system") or {}
        assert found["status"]["phase"] == "Running", "nobody had told it to end"

    play(scene)


def test_asking_twice_is_answered_at_once_the_second_time(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        assert await cluster.agent.shut_down(30, 10) == []
        began, calls = now(), len(cluster.runtime.called("StopContainer"))
        assert await cluster.agent.shut_down(30, 10) == []
        assert now() - began < 1
        assert len(cluster.runtime.called("StopContainer")) == calls

    play(scene)
