"""Containers that are added to look into a pod: they start once, whatever becomes of the pod's own, and nothing hangs on them."""

import asyncio
from typing import Any

from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.node.runtime import api_pb2 as api
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS
from tests.simulation.cluster import Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod

TOOLS = "tools:1"


def attach(cluster: Simulated, name: str = "debugger", image: str = TOOLS, **more: Any) -> Any:
    patch = {"spec": {"ephemeralContainers": [container(name, image, **more)]}}
    return cluster.patch(PODS, "p", patch, type=STRATEGIC_PATCH, subresource="ephemeralcontainers")


def shown(found: Object | None, name: str = "debugger") -> Object:
    statuses = ((found or {}).get("status") or {}).get("ephemeralContainerStatuses") or ()
    return next((each for each in statuses if each["name"] == name), {})


def is_in(state: str, name: str = "debugger") -> Any:
    return lambda found: state in (shown(found, name).get("state") or {})


def started(cluster: Simulated, name: str = "debugger") -> int:
    return len([each for each in cluster.runtime.called("CreateContainer") if each.subject == name])


def test_it_runs_beside_the_others_and_is_never_started_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS)
        before = await cluster.runs(pod())
        await attach(cluster)
        found = await cluster.until(PODS, "p", is_in("running"))
        assert (shown(found)["ready"], shown(found)["restartCount"], "started" in shown(found)) == (False, 0, False)
        assert found["status"]["containerStatuses"] == before["status"]["containerStatuses"]
        paths = [each["involvedObject"]["fieldPath"] for each in await cluster.items(EVENTS) if each["reason"] == "Started"]
        assert "spec.ephemeralContainers{debugger}" in paths
        runtime.exit(next(each.id for each in runtime.running() if each.name == "debugger"), 3)
        found = await cluster.until(PODS, "p", is_in("terminated"))
        assert shown(found)["state"]["terminated"]["exitCode"] == 3
        assert meta.is_true(found, "Ready")
        await asyncio.sleep(1000)
        assert started(cluster) == 1

    play(scene)


def test_it_starts_in_a_pod_whose_init_container_crashes(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS, "bad:1")
        runtime.programs["bad:1"] = Program(runs_s=0.1, code=1)
        await cluster.create(PODS, pod(initContainers=[container("init", "bad:1")]))
        await asyncio.sleep(60)
        await attach(cluster)
        found = await cluster.until(PODS, "p", is_in("running"), 5)
        assert found["status"]["phase"] == "Pending"

    play(scene)


def test_it_waits_for_the_container_whose_processes_it_is_to_see(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS)
        runtime.programs[IMAGE] = Program(runs_s=1.0, code=1)
        await cluster.create(PODS, pod())
        await asyncio.sleep(15)
        await attach(cluster, targetContainerName="main")
        found = await cluster.until(PODS, "p", is_in("waiting"))
        assert shown(found)["state"]["waiting"]["message"] == "waiting for target container main to run"
        await cluster.until(PODS, "p", is_in("running"), 60)
        (config,) = [each for each in runtime.configs.values() if each.metadata.name == "debugger"]
        options = config.linux.security_context.namespace_options
        targets = [each.id for each in runtime.inside.values() if each.name == "main"]
        assert (options.pid, options.target_id in targets) == (api.TARGET, True)

    play(scene)


def test_a_pod_that_has_done_its_work_does_not_wait_for_it(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS)
        await cluster.runs(pod(restartPolicy="Never"))
        await attach(cluster)
        await cluster.until(PODS, "p", is_in("running"))
        runtime.exit(next(each.id for each in runtime.running() if each.name == "main"))
        found = await cluster.until(PODS, "p", lambda found: found["status"]["phase"] == "Succeeded")
        assert "terminated" in shown(found)["state"]
        assert not runtime.running()

    play(scene)


def test_a_pod_whose_debugger_failed_succeeds_all_the_same(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS)
        runtime.programs[TOOLS] = Program(runs_s=0.1, code=1)
        await cluster.runs(pod(restartPolicy="Never"))
        await attach(cluster)
        await cluster.until(PODS, "p", is_in("terminated"))
        assert (await cluster.get(PODS, "p") or {})["status"]["phase"] == "Running"
        runtime.exit(next(each.id for each in runtime.running() if each.name == "main"))
        await cluster.until(PODS, "p", lambda found: found["status"]["phase"] == "Succeeded")

    play(scene)


def test_a_sandbox_that_is_made_again_brings_none_back(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS)
        await cluster.runs(pod())
        await attach(cluster)
        await cluster.until(PODS, "p", is_in("running"))
        (box,) = runtime.boxes
        runtime.crash_sandbox(box)
        found = await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready") and is_in("terminated")(found))
        assert found["status"]["containerStatuses"][0]["restartCount"] == 1
        await break_worker(cluster)
        await asyncio.sleep(100)
        assert started(cluster) == 1
        assert "terminated" in shown(await cluster.get(PODS, "p"))["state"]

    play(scene)


async def break_worker(cluster: Simulated) -> None:
    """Another worker takes the pod over, as another agent would."""
    worker = cluster.worker("p")
    worker.refresh()
    worker.state.started_at = "broken"  # type: ignore[assignment]
    await until(lambda: cluster.worker("p") is not worker, 30)


def test_one_that_runs_is_taken_over(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, TOOLS)
        await cluster.runs(pod())
        await attach(cluster)
        await cluster.until(PODS, "p", is_in("running"))
        await break_worker(cluster)
        await asyncio.sleep(100)
        assert "running" in shown(await cluster.get(PODS, "p"))["state"]
        runtime.exit(next(each.id for each in runtime.running() if each.name == "debugger"), 4)
        found = await cluster.until(PODS, "p", is_in("terminated"))
        assert (shown(found)["state"]["terminated"]["exitCode"], started(cluster)) == (4, 1)

    play(scene)


def test_one_that_cannot_be_pulled_hurts_nobody_and_goes_with_the_pod(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod())
        await attach(cluster, image="mistyped:1")
        found = await cluster.until(PODS, "p", lambda found: "ImagePullBackOff" in str(shown(found).get("state")))
        assert meta.is_true(found, "Ready")
        assert found["status"]["phase"] == "Running"
        runtime.holds(TOOLS)
        await attach(cluster, "second")
        await cluster.until(PODS, "p", is_in("running", "second"), 5)
        await cluster.client.delete(PODS, "p", "default")
        await cluster.until(PODS, "p", lambda found: found is None)
        await until(lambda: not runtime.boxes, 1)

    play(scene)


def test_restarts_are_counted_on_where_the_runtime_has_lost_everything(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod())
        for count in (1, 2):
            runtime.exit(runtime.running()[0].id, 1)
            await cluster.until(PODS, "p", lambda found, count=count: counts(found) == count and meta.is_true(found, "Ready"))
        runtime.boxes.clear()
        runtime.inside.clear()
        await break_worker(cluster)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == 3 and meta.is_true(found, "Ready"))
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 137

    play(scene)


def counts(found: Object) -> int:
    return int(found["status"]["containerStatuses"][0]["restartCount"])
