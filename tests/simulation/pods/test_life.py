"""A pod from its start to its end: what it waits for, what is shown of it, and that it rests."""

import asyncio
from pathlib import Path

from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.model import meta
from pilothouse.model.kinds import CONFIGMAPS, EVENTS, NODES, PODS
from tests.simulation.cluster import NODE, Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, pod
from tests.simulation.pods.looks import HOUR_S, gone, is_phase, now


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
