"""What the floors do when a loop is wrong after all: it costs a few rounds a second, is counted, and nothing else stands still."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.pod.steps import Fail
from pilothouse.engine.node.work import worker
from pilothouse.engine.node.work.plan import Plan, plan
from pilothouse.engine.node.work.rounds import SLOWED
from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.simulation.cluster import Simulated, simulated
from tests.simulation.objects import IMAGE, pod
from tests.simulation.virtual import virtually


@pytest.mark.parametrize(
    "mistake",
    [lambda now: Plan(wake_at=now - 1), lambda now: Plan(wake_at=1.0), lambda now: Plan([Fail("Again", "and again")])],
    ids=["a time just passed", "a time long ago", "a step that leads nowhere"],
)
def test_a_plan_that_is_wrong_costs_a_few_rounds_a_second(
    mistake: Callable[[float], Plan], tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = 0

    def wrong(found: Any, known: Any, now: float) -> Plan:
        nonlocal rounds
        if meta.name(found) != "wrong":
            return plan(found, known, now)
        rounds += 1
        return mistake(now)

    async def whole() -> None:
        nonlocal rounds
        async with simulated(tmp_path, state) as cluster:
            cluster.runtime.holds(IMAGE)
            await cluster.create(PODS, pod("wrong"))
            await asyncio.sleep(12)
            rounds = 0
            await asyncio.sleep(20)
            await works(cluster)

    monkeypatch.setattr(worker, "plan", wrong)
    before = SLOWED.value()
    virtually(whole)
    assert 0 < rounds <= 20 * 21
    assert SLOWED.value() > before + 20


async def works(cluster: Simulated) -> None:
    began = asyncio.get_running_loop().time()
    await cluster.runs(pod("right"))
    assert asyncio.get_running_loop().time() - began < 1
    await cluster.client.delete(PODS, "wrong", "default", grace_s=0)
    await cluster.until(PODS, "wrong", lambda found: found is None, 5)


def test_two_who_never_agree_about_a_status_do_not_keep_the_api_busy(tmp_path: Path, state: Path) -> None:
    async def whole() -> int:
        async with simulated(tmp_path, state) as cluster:
            cluster.runtime.holds(IMAGE)
            await cluster.runs(pod())
            written = cluster.store.revision
            for _ in range(600):
                found = await cluster.get(PODS, "p") or {}
                if meta.is_true(found, "Ready"):
                    change = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
                    await cluster.patch(PODS, "p", change, subresource="status", type="application/strategic-merge-patch+json")
                await asyncio.sleep(1)
            return cluster.store.revision - written

    # Three at once and then one in 30 s, each with a write of the other's, beside the node's own heartbeats in ten minutes.
    assert virtually(whole) < 2 * 30 + 80
