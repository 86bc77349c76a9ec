"""What probes by command make of a container and its pod, in virtual time."""

import asyncio

import pytest

from pilothouse.engine.node.runtime.seam import ExecResult
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS
from tests.simulation.cluster import Simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod

FAILED = ExecResult(b"", b"not well", 1)


def probe(**more: int) -> Object:
    return {"exec": {"command": ["check"]}, "periodSeconds": 1, "failureThreshold": 3, **more}


def restarts(found: Object) -> int:
    count: int = found["status"]["containerStatuses"][0]["restartCount"]
    return count


async def unhealthy(cluster: Simulated) -> set[str]:
    return {each["message"] for each in await cluster.items(EVENTS) if each["reason"] == "Unhealthy"}


def test_a_runtime_that_is_away_costs_no_container_its_life_nor_its_place(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(livenessProbe=probe(), readinessProbe=probe())))
        cluster.runtime.fail("ExecSync")
        await asyncio.sleep(60)
        found = await cluster.get(PODS, "p") or {}
        assert restarts(found) == 0
        assert meta.is_true(found, "Ready")
        assert "Liveness probe errored and resulted in unknown state: refused by the test" in await unhealthy(cluster)
        # What is known counts again as soon as it is known.
        cluster.runtime.mend()
        cluster.runtime.execs[("check",)] = FAILED
        await cluster.until(PODS, "p", lambda found: restarts(found) == 1, 10)

    play(scene)


def test_a_try_that_could_not_be_carried_out_does_not_part_failures_in_a_row(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(livenessProbe=probe(failureThreshold=4))))
        runtime.execs[("check",)] = FAILED
        await asyncio.sleep(2.5)
        runtime.fail("ExecSync")
        await asyncio.sleep(10)
        runtime.mend()
        assert restarts(await cluster.get(PODS, "p") or {}) == 0
        mended = asyncio.get_running_loop().time()
        await cluster.until(PODS, "p", lambda found: restarts(found) == 1, 10)
        assert asyncio.get_running_loop().time() - mended < 3.5

    play(scene)


def test_a_startup_probe_waits_for_a_runtime_that_is_away(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.fail("ExecSync")
        await cluster.create(PODS, pod("p", container(startupProbe=probe())))
        await asyncio.sleep(60)
        assert restarts(await cluster.get(PODS, "p") or {}) == 0
        cluster.runtime.mend()
        await cluster.until(PODS, "p", lambda found: meta.is_true(found, "Ready"), 5)

    play(scene)


@pytest.mark.parametrize("kind", ["startup", "readiness"])
def test_the_first_command_that_fails_is_told(play: Play, kind: str) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.execs[("check",)] = FAILED
        await cluster.create(PODS, pod("p", container(**{f"{kind}Probe": probe(periodSeconds=300, failureThreshold=2)})))
        await asyncio.sleep(10)
        assert await unhealthy(cluster) == {f"{kind.title()} probe failed: not well"}

    play(scene)


def test_a_pod_that_ends_is_probed_for_readiness_alone(play: Play) -> None:
    """Proxies that still send requests to it have to know whether it serves."""

    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=None)
        alive = probe() | {"exec": {"command": ["alive"]}}
        await cluster.runs(pod("p", container(livenessProbe=alive, readinessProbe=probe()), terminationGracePeriodSeconds=60))
        runtime.execs[("check",)] = runtime.execs[("alive",)] = FAILED
        await cluster.client.delete(PODS, "p", "default")
        asked = asyncio.get_running_loop().time()
        await cluster.until(PODS, "p", lambda found: found is not None and not meta.is_true(found, "Ready"), 30)
        assert runtime.running(), "it is not ready although it runs"
        await cluster.until(PODS, "p", lambda found: found is None)
        assert asyncio.get_running_loop().time() - asked > 59
        late = [each.subject for each in runtime.called("ExecSync") if each.at > asked + 2]
        assert set(late) == {"check"}
        assert [each.grace_s for each in runtime.called("StopContainer")] == [60]

    play(scene)
