"""How ends of containers become known, and how soon they are started again."""

import asyncio
from pathlib import Path

from pilothouse.engine.node.runtime.seam import MESSAGE_FILE
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model import meta
from pilothouse.model.kinds import EVENTS, PODS
from tests.simulation.cluster import Simulated, until
from tests.simulation.conftest import Play
from tests.simulation.fake_runtime import Program
from tests.simulation.objects import IMAGE, container, pod
from tests.simulation.pods.looks import HOUR_S, counts, is_phase


def test_a_container_removed_behind_the_agents_back_is_started_again(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod())
        (lost,) = runtime.running()
        runtime.lose(lost.id)
        found = await cluster.until(PODS, "p", lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1)
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"

    play(scene)


def test_an_exit_is_told_once_however_often_it_is_heard_of(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(terminationMessagePolicy="FallbackToLogsOnError")))
        (main,) = runtime.running()
        runtime.exit(main.id, 3)
        for _ in range(5):
            cluster.worker("p").doubt(main.id)
        found = await cluster.until(PODS, "p", lambda found: counts(found) == {"main": 1})
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 3
        runtime.exit(runtime.running()[0].id, 3)
        await asyncio.sleep(5)
        said = [each for each in await cluster.items(EVENTS) if each["reason"] == "BackOff"]
        assert sum(each["count"] for each in said) == 1

    play(scene)


def test_an_exit_that_the_runtime_is_slow_to_know_of_is_waited_for(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        runtime = cluster.runtime
        runtime.holds(IMAGE)
        await cluster.runs(pod("p", container(terminationMessagePolicy="FallbackToLogsOnError"), restartPolicy="Never"))
        (main,) = runtime.running()
        runtime.fail("ContainerStatus", times=12)
        runtime.exit(main.id, 3)
        await cluster.until(PODS, "p", is_phase("Failed"), 20)

    play(scene)


def test_a_crash_loop_keeps_its_pace(play: Play) -> None:
    async def scene(cluster: Simulated) -> int:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(runs_s=0.01, code=1)
        await cluster.create(PODS, pod())
        await asyncio.sleep(HOUR_S)
        return len(cluster.runtime.called("StartContainer"))

    # At 0, 0, 10, 30, 70, 150, 310, 610 s and then each 300 s.
    assert 14 <= play(scene) <= 18


def test_the_last_words_of_a_container_are_known_to_an_agent_that_takes_it_over(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        await cluster.runs(pod("p", container("ends"), container("stays"), restartPolicy="Never"))
        ended = next(each for each in cluster.runtime.running() if each.name == "ends")
        Path(ended.annotations[MESSAGE_FILE]).write_text("no disk")
        cluster.runtime.exit(ended.id, 1)
        await cluster.until(PODS, "p", lambda found: "terminated" in str((found or {}).get("status")))
        known = cluster.worker("p")
        found = await cluster.agent._of_runtime()
        later = PodWorker(known._context, known.pod, found.boxes[meta.uid(known.pod)], found.containers[meta.uid(known.pod)])
        taken_over = asyncio.create_task(later.run())
        await until(lambda: later._handle.tasks is not None)
        latest = later.state.containers["ends"].latest
        assert latest is not None
        assert latest.message == "no disk"
        taken_over.cancel()
        await asyncio.wait([taken_over])

    play(scene)


def test_of_containers_that_ran_out_of_memory_only_the_last_are_remembered(play: Play) -> None:
    async def scene(cluster: Simulated) -> None:
        cluster.runtime.holds(IMAGE)
        cluster.runtime.programs[IMAGE] = Program(runs_s=1, code=137, oom=True)
        await cluster.create(PODS, pod())
        found = await cluster.until(PODS, "p", lambda found: counts(found).get("main", 0) >= 6, 3600)
        assert found["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"
        assert len(cluster.worker("p").state.oom) <= 3

    play(scene)
