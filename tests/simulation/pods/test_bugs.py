"""A worker that breaks on a bug hurts its own pod alone, and for a while."""

import asyncio
from typing import Any

import pytest

from pilothouse.engine.node.work import worker as worker_module
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS
from tests.simulation.cluster import Simulated
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, pod
from tests.simulation.pods.looks import counts


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
