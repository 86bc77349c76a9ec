"""Whatever users make and whatever breaks meanwhile: no loop spins, no part breaks, and in the end everything is as it should be."""

import asyncio
import os
from collections.abc import MutableMapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from structlog.testing import capture_logs

from pilothouse.engine.node.runtime.seam import ExecResult
from pilothouse.engine.node.status.pod import build
from pilothouse.engine.node.status.writer import disagrees
from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.simulation.cluster import Calm, Simulated, simulated
from tests.simulation.strategies import PROGRAMS, STORIES, Deed, done
from tests.simulation.virtual import virtually

STORIES_TOLD = int(os.environ.get("PILOTHOUSE_STORIES", "12"))
SETTLE_S = 400.0
QUIET_S = 100.0
CALLS_A_SECOND = 2.0


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * STORIES_TOLD)
@settings(
    deadline=None,
    max_examples=STORIES_TOLD,
    # Explaining traces every line, which takes longer than the story itself.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(story=STORIES)
def test_no_story_makes_a_loop_spin_or_leaves_anything_wrong(state: Path, story: list[Deed]) -> None:
    async def whole() -> None:
        async with simulated(Path(folder), state) as cluster:
            await played(cluster, story)

    calm = Calm()
    try:
        with TemporaryDirectory() as folder, capture_logs() as logs:
            virtually(whole)
        calm.holds()
        nothing_broke(logs)
    except BaseException as error:
        error.add_note("\n".join(["The story:", *map(repr, story)]))
        raise


async def played(cluster: Simulated, story: list[Deed]) -> None:
    runtime = cluster.runtime
    runtime.programs.update(PROGRAMS)
    runtime.holds(*PROGRAMS)
    runtime.execs["false",] = ExecResult(b"", b"no", 1)
    for deed in story:
        await done(cluster, deed)
        await asyncio.sleep(deed.then_s)
    await asyncio.sleep(20)
    runtime.mend()
    await asyncio.sleep(SETTLE_S)
    calls, revision = len(runtime.calls), cluster.store.revision
    await asyncio.sleep(QUIET_S)
    assert len(runtime.calls) - calls < QUIET_S * CALLS_A_SECOND * 10
    assert cluster.store.revision - revision < QUIET_S * CALLS_A_SECOND
    await all_is_well(cluster)


async def all_is_well(cluster: Simulated) -> None:
    pods = {meta.uid(pod): pod for pod in await cluster.items(PODS)}
    boxes, running = cluster.runtime.boxes.values(), cluster.runtime.running()
    assert {box.uid for box in boxes} <= set(pods), "a sandbox without its pod"
    over = {uid for uid, pod in pods.items() if pod["status"].get("phase") in ("Succeeded", "Failed")}
    assert not [each for each in running if each.uid in over], "a container runs in a pod that has ended"
    leaving = [name for name in (meta.name(pod) for pod in pods.values() if meta.is_deleting(pod)) if name]
    assert not leaving, "pods that never end"
    for worker in cluster.agent._workers.values():
        if not worker._quiet:
            wanted = build(worker.pod, worker.state, 0, ("192.0.2.1",), 1)
            assert not disagrees(wanted, pods[meta.uid(worker.pod)]["status"]), "a status that is not true"


def nothing_broke(logs: list[MutableMapping[str, Any]]) -> None:
    broken = [each for each in logs if each["log_level"] in ("error", "critical")]
    assert not broken, broken[0]
