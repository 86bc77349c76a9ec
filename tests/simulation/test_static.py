"""Pods of the node's folder, in a whole cluster: they run whatever the API says, which shows them as mirrors."""

import asyncio
import json
from pathlib import Path
from typing import Any

from pilothouse.engine.node.static.manifest import HASH, MIRROR, SOURCE
from pilothouse.engine.node.static.problems import problems
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS
from tests.simulation.cluster import NODE, Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod

NAME = f"web-{NODE}"
SOON_S = 10


def folder(cluster: Simulated) -> Path:
    return cluster.agent._config.manifests_dir


def write(cluster: Simulated, wanted: Object, file: str = "web.json") -> None:
    (folder(cluster) / file).write_text(json.dumps({"apiVersion": "v1", "kind": "Pod"} | wanted))


def static(**spec: Any) -> Object:
    return pod("web", terminationGracePeriodSeconds=5, **spec)


async def shown(cluster: Simulated, holds: Any = lambda found: meta.is_true(found, "Ready"), name: str = NAME) -> Object:
    return await cluster.until(PODS, name, lambda found: found is not None and holds(found), SOON_S)


def said(cluster: Simulated) -> dict[str, str]:
    return problems(cluster.agent._config.static_dir)


def test_a_file_becomes_a_pod_that_the_api_shows_and_goes_with_it(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        write(cluster, static())
        found = await shown(cluster)
        notes = found["metadata"]["annotations"]
        assert notes[MIRROR] == notes[HASH]
        assert (found["status"]["phase"], found["spec"]["nodeName"]) == ("Running", NODE)
        assert "serviceAccountName" not in found["spec"]
        events = [each for each in await cluster.items(EVENTS) if each["involvedObject"].get("uid") == notes[HASH]]
        assert {"Created", "Started"} <= {each["reason"] for each in events}, "found by kubectl describe under the hash"
        (folder(cluster) / "web.json").unlink()
        await cluster.until(PODS, NAME, lambda found: found is None, SOON_S)
        await until(lambda: not cluster.runtime.boxes, 1)
        write(cluster, static())
        await shown(cluster)

    play(scene)


def test_a_file_is_seen_though_something_happens_to_other_pods_all_the_time(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        write(cluster, static())
        for _ in range(2 * SOON_S):
            cluster.agent._static.wake()
            await asyncio.sleep(0.5)
        assert await cluster.get(PODS, NAME)

    play(scene)


def test_another_content_is_another_pod_that_waits_for_the_end_of_the_first(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "app:2")
        runtime.programs[IMAGE] = Program(term_s=3)
        write(cluster, static())
        first = await shown(cluster)
        write(cluster, pod("web", container(image="app:2")))
        found = await cluster.until(PODS, NAME, lambda found: found is not None and is_new(found, first), 30)
        assert found["spec"]["containers"][0]["image"] == "app:2"
        assert [each.image for each in runtime.running()] == ["app:2"]
        ended = runtime.called("StopPodSandbox")[0].at
        assert runtime.called("RunPodSandbox")[1].at > ended

    play(scene)


def is_new(found: Object, first: Object) -> bool:
    return meta.uid(found) != meta.uid(first) and meta.is_true(found, "Ready")


def test_whoever_deletes_the_mirror_does_not_end_the_pod(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        write(cluster, static())
        first = await shown(cluster)
        (before,) = runtime.running()
        for grace_s in (None, 0, 30):
            await cluster.client.delete(PODS, NAME, "default", grace_s=grace_s)
            found = await shown(cluster, lambda found, first=first: is_new(found, first))
            assert found["status"]["containerStatuses"][0]["containerID"] == f"containerd://{before.id}"
            first = found
        assert runtime.running() == [before]

    play(scene)


def test_its_status_follows_it_into_the_mirror(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        write(cluster, static())
        await shown(cluster)
        runtime.exit(runtime.running()[0].id, 3)
        found = await shown(cluster, lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1)
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
        conditions = [each | {"status": "False"} for each in found["status"]["conditions"] if each["type"] == "Ready"]
        await cluster.patch(PODS, NAME, {"status": {"conditions": conditions}}, subresource="status")
        await shown(cluster)

    play(scene)


def test_what_is_wrong_with_a_file_is_said_and_hurts_no_other(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        (folder(cluster) / "broken.yaml").write_text("kind: [")
        write(cluster, pod("bad", container(name="UPPER")), "bad.json")
        write(cluster, pod("secretive", volumes=[{"name": "v", "secret": {"secretName": "theirs"}}]), "secretive.json")
        write(cluster, static())
        write(cluster, static(), "zwilling.json")
        await shown(cluster)
        await until(lambda: len(said(cluster)) == 4, SOON_S)
        told = said(cluster)
        assert told["broken.yaml"].startswith("it is neither YAML nor JSON")
        assert "spec.containers[0].name: Invalid value" in told["bad.json"]
        assert "a mirror pod may not reference secrets" in told["secretive.json"]
        assert told["zwilling.json"] == f"pod default/{NAME} comes from web.json already; give one of them another name"
        events = [each for each in await cluster.items(EVENTS) if each["reason"] == "FailedStaticPod"]
        assert {each["involvedObject"]["kind"] for each in events} == {"Node"}
        await asyncio.sleep(600)
        assert len(await cluster.items(PODS)) == 1
        for name in ("broken.yaml", "bad.json", "secretive.json", "zwilling.json"):
            (folder(cluster) / name).unlink()
        await until(lambda: not said(cluster), SOON_S)

    play(scene)


def test_a_pod_of_that_name_that_is_no_mirror_is_left_alone(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod(NAME))
        write(cluster, static())
        await until(lambda: "already exists" in said(cluster).get("web.json", ""), SOON_S)
        assert len(cluster.runtime.running()) == 1
        await cluster.client.delete(PODS, NAME, "default")
        await cluster.until(PODS, NAME, lambda found: found is not None and MIRROR in (found["metadata"].get("annotations") or {}), 70)

    play(scene)


def test_a_mirror_of_nothing_is_removed(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        orphan = pod("orphan", nodeName=NODE)
        orphan["metadata"]["annotations"] = {MIRROR: "of-nothing"}
        await cluster.create(PODS, orphan)
        await cluster.until(PODS, "orphan", lambda found: found is None, SOON_S)
        assert not cluster.runtime.called("RunPodSandbox")

    play(scene)


def test_a_worker_that_broke_is_replaced_and_goes_on_telling(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        write(cluster, static())
        await shown(cluster)
        worker = cluster.worker(NAME)
        worker.refresh()
        worker.state.started_at = "broken"  # type: ignore[assignment]
        await until(lambda: cluster.worker(NAME) is not worker, 30)
        (main,) = runtime.running()
        runtime.exit(main.id, 3)
        await shown(cluster, lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1)

    play(scene)


def test_a_mirror_that_shows_the_end_of_an_earlier_life_ends_nothing(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        write(cluster, static())
        found = await shown(cluster)
        old = {"phase": "Failed", "reason": "Terminated", "conditions": found["status"]["conditions"]}
        cluster.worker(NAME).mirrored(found | {"status": old})
        cluster.worker(NAME).refresh()
        await asyncio.sleep(60)
        assert not cluster.runtime.called("StopContainer")
        assert (await shown(cluster))["status"]["phase"] == "Running"

    play(scene)


def test_a_pod_of_the_api_that_says_it_is_one_of_a_file_is_none(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        claims = static()
        claims["metadata"]["annotations"] = {SOURCE: "file"}
        await cluster.runs(claims)
        await cluster.client.delete(PODS, "web", "default")
        await cluster.until(PODS, "web", lambda found: found is None, SOON_S)

    play(scene)
