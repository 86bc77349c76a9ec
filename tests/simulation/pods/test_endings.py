"""How pods end: hooks, graces, proxies, in which order."""

import asyncio
from typing import Any

from pilothouse.model import meta
from pilothouse.model.kinds import PODS
from tests.simulation.cluster import Simulated
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.pods.looks import gone, now


def deleting(cluster: Simulated, grace_s: int) -> Any:
    return cluster.client.delete(PODS, "p", "default", grace_s=grace_s)


def test_forcing_a_deletion_that_is_under_way_shortens_it_and_runs_pre_stop_once(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=None)
        hook = {"preStop": {"exec": {"command": ["bye"]}}}
        await cluster.runs(pod("p", container(lifecycle=hook), terminationGracePeriodSeconds=300))
        await deleting(cluster, 300)
        await asyncio.sleep(5)
        forced = now()
        await deleting(cluster, 0)
        while runtime.running():
            await asyncio.sleep(0.01)
        assert [each.subject for each in runtime.called("ExecSync")] == ["bye"]
        assert [each.grace_s for each in runtime.called("StopContainer")] == [300, 1]
        return now() - forced

    assert play(scene) < 1.5


def test_a_container_is_given_its_grace_and_no_more(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod())
        began = now()
        await deleting(cluster, 7)
        await cluster.until(PODS, "p", gone)
        return now() - began

    assert 7 <= play(scene) < 7.5


def test_the_wait_for_proxies_is_taken_from_the_grace(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        found = await cluster.runs(pod())
        cluster.barrier.join("stuck").routes(frozenset([found["status"]["podIP"]]))
        began = now()
        await deleting(cluster, 20)
        await cluster.until(PODS, "p", gone)
        return now() - began

    assert 20 <= play(scene) < 20.7


def test_no_final_phase_is_shown_while_a_container_runs(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        runtime.programs[IMAGE] = Program(term_s=12)
        await cluster.runs(pod(activeDeadlineSeconds=5))
        while (found := await cluster.get(PODS, "p") or {})["status"]["phase"] != "Failed":
            await asyncio.sleep(0.1)
        assert found["status"]["reason"] == "DeadlineExceeded"
        assert not runtime.running()
        assert found["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 143

    play(scene)


def test_a_pod_past_its_deadline_takes_no_traffic_while_it_ends(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=12)
        await cluster.runs(pod(activeDeadlineSeconds=5))
        found = await cluster.until(PODS, "p", lambda found: not meta.is_true(found, "Ready"))
        assert (found["status"]["phase"], (meta.condition(found, "Ready") or {}).get("reason")) == ("Running", "PodFailed")

    play(scene)


def test_a_deletion_hurries_a_pod_that_is_ending_by_itself(play: Play) -> None:
    async def scene(cluster: Simulated) -> float:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(term_s=None)
        await cluster.runs(pod(activeDeadlineSeconds=5, terminationGracePeriodSeconds=300))
        await cluster.until(PODS, "p", lambda found: not meta.is_true(found, "Ready"))
        began = now()
        await deleting(cluster, 2)
        await cluster.until(PODS, "p", gone)
        return now() - began

    assert play(scene) < 3


def test_hooks_of_sidecars_run_while_the_others_end_and_sidecars_are_told_after_them(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE, "slow:1")
        runtime.programs["slow:1"] = Program(term_s=20)
        hook = {"preStop": {"sleep": {"seconds": 10}}}
        first, second = (container(name, restartPolicy="Always", lifecycle=hook) for name in ("first", "second"))
        await cluster.runs(pod("p", container("main", "slow:1"), initContainers=[first, second]))
        names = {each.id: each.name for each in runtime.running()}
        began = now()
        await deleting(cluster, 60)
        await cluster.until(PODS, "p", gone)
        assert [names[each.subject] for each in runtime.called("StopContainer")] == ["main", "second", "first"]
        # Twenty seconds of the main container; the hooks are over by then.
        assert 20 <= now() - began < 22

    play(scene)
