"""In which order containers of a pod start, and what the runtime is told of them."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.engine.node.host import cgroups
from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.simulation.cluster import Simulated, simulated, until
from tests.simulation.conftest import Play
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.virtual import virtually


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


def test_the_runtime_is_told_what_cgroups_say_beside_limits(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "of_containers", lambda: {"memory.oom.group": "1"})

    async def whole() -> None:
        async with simulated(tmp_path, state) as cluster:
            cluster.runtime.holds(IMAGE)
            await cluster.runs(pod())
            (made,) = cluster.runtime.configs.values()
            assert dict(made.linux.resources.unified) == {"memory.oom.group": "1"}

    virtually(whole)


def test_a_pod_that_starts_waits_for_four_answers_of_the_runtime(play: Play) -> None:
    """Sandbox, its address, container, start: whatever else is asked is asked beside these."""

    async def scene(cluster: Simulated) -> tuple[float, list[str]]:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.latency_s = 1.0
        began = asyncio.get_running_loop().time()
        await cluster.create(PODS, pod())
        await cluster.until(PODS, "p", lambda found: found is not None and meta.is_true(found, "Ready"))
        verbs = ("RunPodSandbox", "PodSandboxStatus", "ImageStatus", "CreateContainer", "StartContainer")
        return asyncio.get_running_loop().time() - began, [each.verb for each in cluster.runtime.calls if each.verb in verbs]

    took_s, asked = play(scene)
    assert 4.0 <= took_s < 4.5
    assert sorted(asked) == ["CreateContainer", "ImageStatus", "PodSandboxStatus", "RunPodSandbox", "StartContainer"]


def test_an_image_that_went_while_the_sandbox_was_made_is_pulled(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.remote.add(IMAGE)
        cluster.runtime.latency_s = 10.0
        await cluster.create(PODS, pod())
        await until(lambda: bool(cluster.runtime.called("ImageStatus")), 60)
        await asyncio.sleep(15)
        cluster.runtime.stock.clear()
        await cluster.until(PODS, "p", lambda found: found is not None and meta.is_true(found, "Ready"))
        assert cluster.runtime.called("PullImage")

    play(scene)
