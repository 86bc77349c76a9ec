"""What a pod's worker does, with the real API server and in virtual time."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.client.transport import JSON_PATCH
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.request import handlers
from pilothouse.engine.node.runtime.seam import MESSAGE_FILE
from pilothouse.engine.node.work import worker as worker_module
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, EVENTS, NODES, PODS, RUNTIMECLASSES, SECRETS
from tests.engine.node.builders import pull_secret
from tests.simulation.cluster import NODE, Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod

HOUR_S = 3600.0


def gone(found: Object | None) -> bool:
    return found is None


def is_phase(phase: str) -> Any:
    return lambda found: found is not None and found["status"].get("phase") == phase


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_pod_runs_and_goes(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        await cluster.client.delete(PODS, "p", "default")
        await cluster.until(PODS, "p", gone)
        await until(lambda: not cluster.runtime.boxes, 1)

    play(scene)


def test_a_finished_pod_rests_though_its_token_has_grown_old(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(runs_s=1)
        await cluster.create(PODS, pod(restartPolicy="Never"))
        await cluster.until(PODS, "p", is_phase("Succeeded"))
        await cluster.patch(PODS, "p", {"metadata": {"labels": {"a": "b"}}})
        await asyncio.sleep(2 * HOUR_S)

    play(scene)


def test_a_pod_that_waits_for_a_configmap_is_tried_with_a_back_off_and_starts_when_it_comes(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod(volumes=[{"name": "v", "configMap": {"name": "late"}}]))
        await asyncio.sleep(60)
        for number in range(20):
            await cluster.patch(PODS, "p", {"metadata": {"labels": {"n": str(number)}}})
            await asyncio.sleep(1)
        said = sum(each["count"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedMount")
        await cluster.create(CONFIGMAPS, {"metadata": {"name": "late"}})
        asked = now()
        await cluster.until(PODS, "p", is_phase("Running"))
        assert now() - asked < 1
        return int(said)

    assert 3 <= play(scene) <= 12


def test_a_configmap_that_is_deleted_under_a_running_pod_hurts_little(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(CONFIGMAPS, {"metadata": {"name": "conf"}, "data": {"a": "1"}})
        await cluster.runs(pod(volumes=[{"name": "v", "configMap": {"name": "conf"}}]))
        await cluster.client.delete(CONFIGMAPS, "conf", "default")
        await asyncio.sleep(2 * HOUR_S)
        assert meta.is_true(await cluster.get(PODS, "p") or {}, "Ready")

    play(scene)


def test_a_runtime_that_refuses_is_asked_again_with_a_back_off_whatever_else_happens(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod())
        runtime.fail("StopPodSandbox", in_place=True)
        (box,) = runtime.boxes
        runtime.crash_sandbox(box)
        for number in range(600):
            cluster.worker("p").refresh()
            await asyncio.sleep(0.1 + number / 1e6)
        asked = len(runtime.called("StopPodSandbox"))
        runtime.mend()
        await cluster.until(
            PODS, "p", lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1 and meta.is_true(found, "Ready")
        )
        return asked

    assert play(scene) <= 8


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


def test_a_container_removed_behind_the_agents_back_is_started_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod())
        (lost,) = runtime.running()
        runtime.lose(lost.id)
        found = await cluster.until(PODS, "p", lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1)
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"

    play(scene)


def test_what_somebody_else_writes_into_a_pods_status_is_mended(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        found = await cluster.runs(pod())
        conditions = [each | {"status": "False"} for each in found["status"]["conditions"] if each["type"] == "Ready"]
        await cluster.patch(PODS, "p", {"status": {"conditions": conditions}}, subresource="status")
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"), 5)

    play(scene)


def test_a_pod_that_is_left_in_peace_is_not_written(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        await asyncio.sleep(10)
        before = await cluster.get(PODS, "p")
        await asyncio.sleep(HOUR_S / 2)
        assert await cluster.get(PODS, "p") == before

    play(scene)


def deleting(cluster: Simulated, grace_s: int) -> Any:
    return cluster.client.delete(PODS, "p", "default", grace_s=grace_s)


def test_forcing_a_deletion_that_is_under_way_shortens_it_and_runs_pre_stop_once(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=None)
        hook = {"preStop": {"exec": {"command": ["bye"]}}}
        await cluster.runs(pod("p", container(lifecycle=hook), terminationGracePeriodSeconds=300))
        await deleting(cluster, 300)
        await asyncio.sleep(5)
        forced = now()
        await deleting(cluster, 0)
        while runtime.running():
            await asyncio.sleep(0.01)
        assert [each.subject for each in runtime.called("ExecSync")] == ["bye"]
        assert [each.grace_s for each in runtime.called("StopContainer")] == [300, 1]
        return now() - forced

    assert play(scene) < 1.5


def test_a_container_is_given_its_grace_and_no_more(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod())
        began = now()
        await deleting(cluster, 7)
        await cluster.until(PODS, "p", gone)
        return now() - began

    assert 7 <= play(scene) < 7.5


def test_the_wait_for_proxies_is_taken_from_the_grace(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        found = await cluster.runs(pod())
        cluster.barrier.join("stuck").routes(frozenset([found["status"]["podIP"]]))
        began = now()
        await deleting(cluster, 20)
        await cluster.until(PODS, "p", gone)
        return now() - began

    assert 20 <= play(scene) < 20.7


def test_a_changed_image_restarts_its_container_and_no_other(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        await cluster.runs(pod("p", container(), container("other"), restartPolicy="Never"))
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}], type=JSON_PATCH)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == {"main": 1, "other": 0} and meta.is_true(found, "Ready"))
        assert {each["name"]: each["image"] for each in found["status"]["containerStatuses"]} == {"main": "app:2", "other": IMAGE}
        events = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "Killing"]
        assert events == ["Container main definition changed, will be restarted"]

    play(scene)


def counts(found: Object) -> dict[str, int]:
    return {each["name"]: each["restartCount"] for each in found["status"].get("containerStatuses") or ()}


def test_a_changed_image_ends_the_back_off_of_one_that_cannot_be_pulled(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod("p", container(image="mistyped:1")))
        await asyncio.sleep(200)
        began = now()
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/containers/0/image", "value": IMAGE}], type=JSON_PATCH)
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"))
        return now() - began

    assert play(scene) < 1


def test_no_final_phase_is_shown_while_a_container_runs(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=12)
        await cluster.runs(pod(activeDeadlineSeconds=5))
        while (found := await cluster.get(PODS, "p") or {})["status"]["phase"] != "Failed":
            await asyncio.sleep(0.1)
        assert found["status"]["reason"] == "DeadlineExceeded"
        assert not runtime.running()
        assert found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143

    play(scene)


def test_a_pod_past_its_deadline_takes_no_traffic_while_it_ends(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=12)
        await cluster.runs(pod(activeDeadlineSeconds=5))
        found = await cluster.until(PODS, "p", lambda found: not meta.is_true(found, "Ready"))
        assert (found["status"]["phase"], (meta.condition(found, "Ready") or {}).get("reason")) == ("Running", "PodFailed")

    play(scene)


def test_a_deletion_hurries_a_pod_that_is_ending_by_itself(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod(activeDeadlineSeconds=5, terminationGracePeriodSeconds=300))
        await cluster.until(PODS, "p", lambda found: not meta.is_true(found, "Ready"))
        began = now()
        await deleting(cluster, 2)
        await cluster.until(PODS, "p", gone)
        return now() - began

    assert play(scene) < 3


def test_an_exit_is_told_once_however_often_it_is_heard_of(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(terminationMessagePolicy="FallbackToLogsOnError")))
        (main,) = runtime.running()
        runtime.exit(main.id, 3)
        for _ in range(5):
            cluster.worker("p").doubt(main.id)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == {"main": 1})
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
        runtime.exit(runtime.running()[0].id, 3)
        await asyncio.sleep(5)
        said = [each for each in await cluster.items(EVENTS) if each["reason"] == "BackOff"]
        assert sum(each["count"] for each in said) == 1

    play(scene)


def test_an_exit_that_the_runtime_is_slow_to_know_of_is_waited_for(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(terminationMessagePolicy="FallbackToLogsOnError"), restartPolicy="Never"))
        (main,) = runtime.running()
        runtime.fail("ContainerStatus", times=12)
        runtime.exit(main.id, 3)
        await cluster.until(PODS, "p", is_phase("Failed"), 20)

    play(scene)


def test_a_broken_worker_is_replaced_with_a_growing_pause_and_says_so_in_the_pods_events(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        for _ in range(8):
            worker = cluster.worker("p")
            worker.refresh()
            worker.state.started_at = "broken"  # type: ignore[assignment]
            await asyncio.sleep(100)
        events = [each for each in await cluster.items(EVENTS) if each["reason"] == "FailedSync"]
        assert events
        return len(cluster.runtime.running())

    assert play(scene) == 1


def test_a_crash_loop_keeps_its_pace(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(runs_s=0.01, code=1)
        await cluster.create(PODS, pod())
        await asyncio.sleep(HOUR_S)
        return len(cluster.runtime.called("StartContainer"))

    # At 0, 0, 10, 30, 70, 150, 310, 610 s and then each 300 s.
    assert 14 <= play(scene) <= 18


def test_a_node_that_was_declared_lost_and_its_pods_are_what_they_are_soon_after(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod())
        node = await cluster.get(NODES, NODE) or {}
        conditions = [each | {"status": "Unknown", "reason": "NodeStatusUnknown"} for each in node["status"]["conditions"]]
        await cluster.client.update_status(NODES, node | {"status": node["status"] | {"conditions": conditions}})
        await asyncio.sleep(15)
        assert [each for each in await cluster.items(EVENTS) if (each["reason"], each["involvedObject"]["kind"]) == ("NodeNotReady", "Pod")]
        assert meta.is_true(await cluster.get(NODES, NODE) or {}, "Ready")
        assert meta.is_true(await cluster.get(PODS, "p") or {}, "Ready")

    play(scene)


def test_a_simulated_cluster_mounts_nothing_on_the_machine(play: Play, tmp_path: Path) -> None:
    volumes = [{"name": "files", "configMap": {"name": "cm"}}, {"name": "fast", "emptyDir": {"medium": "Memory"}}]

    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(CONFIGMAPS, {"metadata": {"name": "cm"}, "data": {"a": "1"}})
        await cluster.runs(pod(volumes=volumes))
        assert not mounts_below(tmp_path)

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


def test_the_last_words_of_a_container_are_known_to_an_agent_that_takes_it_over(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod("p", container("ends"), container("stays"), restartPolicy="Never"))
        ended = next(each for each in cluster.runtime.running() if each.name == "ends")
        Path(ended.annotations[MESSAGE_FILE]).write_text("no disk")
        cluster.runtime.exit(ended.id, 1)
        await cluster.until(PODS, "p", lambda found: "terminated" in str((found or {}).get("status")))
        known = cluster.worker("p")
        found = await cluster.agent._of_runtime()
        later = PodWorker(known._context, known.pod, found.boxes[meta.uid(known.pod)], found.containers[meta.uid(known.pod)])
        taken_over = asyncio.create_task(later.run())
        await until(lambda: later._handle.tasks is not None)
        latest = later.state.containers["ends"].latest
        assert latest is not None
        assert latest.message == "no disk"
        taken_over.cancel()
        await asyncio.wait([taken_over])

    play(scene)


def test_containers_of_a_pod_start_together(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", *(container(name) for name in ("a", "b", "c"))))
        starts = runtime.called("StartContainer")
        assert len(starts) == 3
        assert starts[-1].at - starts[0].at < runtime.latency_s, "no start has waited for the end of another"
        assert [each.subject for each in runtime.called("CreateContainer")] == ["a", "b", "c"]

    play(scene)


def test_a_post_start_hook_is_over_before_the_next_container_is_made(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        hook = {"postStart": {"exec": {"command": ["first"]}}}
        await cluster.runs(pod("p", container("a"), container("b", lifecycle=hook), container("c")))
        order = [each.subject for each in runtime.calls if each.verb in ("CreateContainer", "ExecSync")]
        assert order == ["a", "b", "first", "c"]

    play(scene)


def test_one_container_that_cannot_start_holds_back_no_other(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.fail("CreateContainer", times=1)
        await cluster.create(PODS, pod("p", *(container(name) for name in ("a", "b", "c"))))
        await cluster.until(PODS, "p", lambda found: len(runtime.running()) == 2, 0.5)
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"), 5)

    play(scene)


def test_a_changed_image_restarts_a_sidecar_and_nothing_else(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        sidecar = container("side", restartPolicy="Always")
        await cluster.runs(pod("p", initContainers=[sidecar]))
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/initContainers/0/image", "value": "app:2"}], type=JSON_PATCH)
        found = await cluster.until(PODS, "p", lambda found: side(found)["restartCount"] == 1 and meta.is_true(found, "Ready"))
        assert (side(found)["image"], counts(found)) == ("app:2", {"main": 0})

    play(scene)


def side(found: Object) -> Object:
    (status,) = found["status"]["initContainerStatuses"]
    return dict(status)


def test_an_image_that_was_changed_while_nobody_looked_is_changed_by_the_next_worker(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        await cluster.runs(pod())
        worker = cluster.worker("p")
        worker.refresh()
        worker.state.started_at = "broken"  # type: ignore[assignment]
        await asyncio.sleep(1)
        await cluster.patch(PODS, "p", [{"op": "replace", "path": "/spec/containers/0/image", "value": "app:2"}], type=JSON_PATCH)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == {"main": 1} and meta.is_true(found, "Ready"))
        assert cluster.worker("p") is not worker
        assert found["status"]["containerStatuses"][0]["image"] == "app:2"

    play(scene)


def test_what_one_pods_secret_fetched_serves_no_pod_without_it(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        image = "registry.example/app:1"
        cluster.runtime.remote.add(image)
        cluster.runtime.private[image] = "me:word"
        secret = pull_secret("mine", "registry.example", "me", "word", namespace="default")
        await cluster.create(SECRETS, secret | {"metadata": {"name": "mine"}})
        mine: Object = {"imagePullSecrets": [{"name": "mine"}]}
        await cluster.runs(pod("first", container(image=image), **mine))
        await cluster.create(PODS, pod("without", container(image=image)))
        await cluster.until(PODS, "without", lambda each: waits_for(each) in ("ErrImagePull", "ImagePullBackOff"), 60)
        await cluster.create(PODS, pod("never", container(image=image, imagePullPolicy="Never")))
        await cluster.until(PODS, "never", lambda each: waits_for(each) == "ErrImageNeverPull", 60)
        pulls = len(cluster.runtime.called("PullImage"))
        await cluster.runs(pod("second", container(image=image), **mine))
        assert len(cluster.runtime.called("PullImage")) == pulls
        await cluster.create(PODS, pod("lost", container(image=image), imagePullSecrets=[{"name": "absent"}]))
        await cluster.until(PODS, "lost", lambda each: waits_for(each) in ("ErrImagePull", "ImagePullBackOff"), 60)
        events = [each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedToRetrieveImagePullSecret"]
        assert events == ["Unable to retrieve some image pull secrets (absent); attempting to pull the image may not succeed."]

    play(scene)


def waits_for(found: Object | None) -> str:
    statuses = ((found or {}).get("status") or {}).get("containerStatuses") or [{}]
    return str(((statuses[0].get("state") or {}).get("waiting") or {}).get("reason"))


def test_a_pod_whose_logs_can_have_no_folder_says_so(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.create(PODS, pod("a" * 253))
        await asyncio.sleep(10)
        said = {each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "FailedCreatePodSandBox"}
        assert len(said) == 1
        assert "the folder of the pod's logs cannot be made: File name too long" in said.pop()

    play(scene)


def test_hooks_of_sidecars_run_while_the_others_end_and_sidecars_are_told_after_them(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "slow:1")
        runtime.programs["slow:1"] = Program(term_s=20)
        hook = {"preStop": {"sleep": {"seconds": 10}}}
        first, second = (container(name, restartPolicy="Always", lifecycle=hook) for name in ("first", "second"))
        await cluster.runs(pod("p", container("main", "slow:1"), initContainers=[first, second]))
        names = {each.id: each.name for each in runtime.running()}
        began = now()
        await deleting(cluster, 60)
        await cluster.until(PODS, "p", gone)
        assert [names[each.subject] for each in runtime.called("StopContainer")] == ["main", "second", "first"]
        # Twenty seconds of the main container; the hooks are over by then.
        assert 20 <= now() - began < 22

    play(scene)


def test_a_container_that_outlives_its_sandbox_has_not_done_its_work(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod(restartPolicy="OnFailure"))
        ((id, box),) = runtime.boxes.items()
        # The process that held it was killed, and those of its containers were not.
        runtime.boxes[id] = replace(box, ready=False)
        await cluster.until(PODS, "p", lambda found: counts(found)["main"] == 1 and meta.is_true(found, "Ready"))
        assert not runtime.called("StopContainer")

    play(scene)


def test_what_ends_while_the_worker_of_its_pod_is_broken_ends_nothing_else(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = worker_module.plan

    def broken(wanted: Object, *more: Any) -> Any:
        if meta.name(wanted) == "bad" and (wanted["metadata"].get("labels") or {}).get("break"):
            raise ValueError("a bug")
        return planned(wanted, *more)

    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        monkeypatch.setattr(worker_module, "plan", broken)
        await cluster.runs(pod("bad"))
        await cluster.patch(PODS, "bad", {"metadata": {"labels": {"break": "it"}}})
        await asyncio.sleep(1)
        (left,) = runtime.running()
        runtime.exit(left.id, 1)
        await asyncio.sleep(1)
        runtime.crash_sandbox(left.sandbox_id, silently=True)
        # The next list of the runtime finds it out.
        await asyncio.sleep(70)
        await cluster.runs(pod("good"))
        await cluster.patch(PODS, "bad", {"metadata": {"labels": None}})
        await cluster.until(PODS, "bad", lambda found: counts(found)["main"] > 0 and meta.is_true(found, "Ready"))

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


def test_of_containers_that_ran_out_of_memory_only_the_last_are_remembered(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(runs_s=1, code=137, oom=True)
        await cluster.create(PODS, pod())
        found = await cluster.until(PODS, "p", lambda found: counts(found).get("main", 0) >= 6, 3600)
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"
        assert len(cluster.worker("p").state.oom) <= 3

    play(scene)
