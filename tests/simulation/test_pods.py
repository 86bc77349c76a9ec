"""What a pod's worker does, with the real API server and in virtual time."""

import asyncio
from typing import Any

from pilothouse.engine.node.runtime import RUNNING
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, EVENTS, PODS
from tests.simulation.cluster import Simulated
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
        assert not cluster.runtime.boxes

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
