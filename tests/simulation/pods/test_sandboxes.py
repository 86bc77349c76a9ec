"""What holds a pod's containers together: how it is made, and what follows when it dies."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.node.request import handlers
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.kinds import EVENTS, PODS, RUNTIMECLASSES
from tests.simulation.cluster import Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.pods.looks import counts, gone


def test_a_sandbox_made_while_the_runtime_is_listed_is_not_taken_for_dead(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.latency_s = 0.1
        await cluster.create(PODS, pod())
        for _ in range(40):
            await cluster.agent._relist()
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"))
        assert not runtime.called("StopPodSandbox")

    play(scene)


def test_a_list_that_was_asked_for_before_a_pods_end_troubles_nobody_after_it(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        (id,), worker = cluster.runtime.boxes, cluster.worker("p")
        await cluster.client.delete(PODS, "p", "default")
        await until(lambda: worker.has_ended)
        worker.doubt(id)

    play(scene)


def test_a_sandbox_that_died_unheard_of_is_found_by_the_next_list_and_made_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod())
        (box,) = runtime.boxes
        runtime.crash_sandbox(box, silently=True)
        await asyncio.sleep(90)
        found = await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"))
        assert found["status"]["containerStatuses"][0]["restartCount"] == 1
        assert [each.attempt for each in runtime.boxes.values()] == [1]

    play(scene)


def test_a_pod_whose_runtime_the_node_lacks_says_so_and_one_that_it_has_runs(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        for name, handler in (("small", "kata"), ("usual", "runc")):
            await cluster.create(RUNTIMECLASSES, {"metadata": {"name": name}, "handler": handler})
        await cluster.create(PODS, pod(name="other", runtimeClassName="small"))
        await cluster.runs(pod(runtimeClassName="usual"))
        await asyncio.sleep(60)
        events = {each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedCreatePodSandBox"}
        (said,) = events
        assert "code = NotFound desc = " in said
        assert 'this node has no runtime "kata", which RuntimeClass "small" asks for; use a class with one of its handlers: runc' in said


def test_a_pod_whose_logs_can_have_no_folder_says_so(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod("a" * 253))
        await asyncio.sleep(10)
        said = {each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedCreatePodSandBox"}
        assert len(said) == 1
        assert "the folder of the pod's logs cannot be made: File name too long" in said.pop()

    play(scene)


def test_a_container_that_outlives_its_sandbox_has_not_done_its_work(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=5, term_code=0)
        hook = {"preStop": {"exec": {"command": ["bye"]}}}
        await cluster.runs(pod("p", container(lifecycle=hook), restartPolicy="OnFailure", terminationGracePeriodSeconds=20))
        (id,) = runtime.boxes
        runtime.crash_pause(id)
        found = await cluster.until(PODS, "p", lambda found: counts(found)["main"] == 1 and meta.is_true(found, "Ready"))
        assert [each.subject for each in runtime.called("ExecSync")] == ["bye"]
        assert [each.grace_s for each in runtime.called("StopContainer")] == [20]
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 0

    play(scene)


def test_containers_that_died_with_their_sandbox_are_not_told_to_end(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(lifecycle={"preStop": {"exec": {"command": ["bye"]}}})))
        (id,) = runtime.boxes
        runtime.crash_sandbox(id)
        await cluster.until(PODS, "p", lambda found: counts(found)["main"] == 1 and meta.is_true(found, "Ready"))
        assert not [*runtime.called("StopContainer"), *runtime.called("ExecSync")]

    play(scene)


def test_a_pod_that_never_restarts_and_outlives_its_sandbox_has_failed_whatever_it_says(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=5, term_code=0)
        await cluster.runs(pod(restartPolicy="Never"))
        (id,) = runtime.boxes
        runtime.crash_pause(id)
        found = await cluster.until(PODS, "p", lambda found: found["status"]["phase"] != "Running")
        assert (found["status"]["phase"], found["status"].get("reason")) == ("Failed", "SandboxLost")
        assert found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0

    play(scene)


def test_a_deletion_hurries_what_outlives_its_sandbox(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod(terminationGracePeriodSeconds=3600))
        (id,) = runtime.boxes
        runtime.crash_pause(id)
        await asyncio.sleep(60)
        assert runtime.running()
        await cluster.client.delete(PODS, "p", "default", grace_s=5)
        await cluster.until(PODS, "p", gone, 10)
        assert not runtime.running()

    play(scene)


def test_a_runtime_class_that_cannot_be_read_is_said(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any) -> str:
        raise Forbidden("not for you")

    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        monkeypatch.setattr(handlers, "chosen", refused)
        await cluster.create(PODS, pod())
        await asyncio.sleep(5)
        said = {each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedCreatePodSandBox"}
        assert any("the pod's RuntimeClass cannot be read: not for you" in each for each in said)

    play(scene)
