"""In which order containers of a pod start, and what the runtime is told of them."""

from pathlib import Path

import pytest

from pilothouse.engine.node.host import cgroups
from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.simulation.cluster import Simulated, simulated
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
