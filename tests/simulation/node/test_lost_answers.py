"""What the state machine has found, each as a scene of its own."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.simulation.fake_runtime import Program
from tests.simulation.node.conftest import Scene
from tests.simulation.node.wires import Trouble
from tests.simulation.node.world import NODE, World
from tests.simulation.objects import IMAGE, container, pod

Live = Callable[[Scene], Any]


async def create(world: World, *containers: Object, **spec: Any) -> None:
    world.runtime.holds(IMAGE)
    await world.client.create(PODS, pod("p", *containers, nodeName=NODE, **spec), "default")


async def shown(world: World, holds: Callable[[Object], Any], seconds: float = 60.0) -> Object:
    """The pod once it fulfils the condition."""
    async with asyncio.timeout(seconds):
        while not holds(found := await world.client.get(PODS, "p", "default")):
            await asyncio.sleep(0.05)
    return found


def is_ready(found: Object) -> bool:
    return meta.is_true(found, "Ready")


@pytest.mark.parametrize("verb", ["run_sandbox", "create_container", "start_container"])
def test_a_pod_comes_up_though_the_answer_of_the_runtime_was_lost(live: Live, verb: str) -> None:
    async def scene(world: World) -> None:
        world.runtime_troubles.by_verb[verb] = Trouble("DEADLINE_EXCEEDED", is_late=True, times=1)
        await create(world)
        await shown(world, is_ready, 20)
        assert (len(world.runtime.boxes), len(world.runtime.running())) == (1, 1)
        (worker,) = world.agent._workers.values()
        latest = worker.state.containers["main"].latest
        # Port forwarding finds the sandbox by it.
        assert latest is not None
        assert latest.sandbox_id in world.runtime.boxes

    live(scene)


def test_a_container_that_vanished_before_its_start_is_made_again(live: Live) -> None:
    async def scene(world: World) -> None:
        world.runtime_troubles.by_verb["start_container"] = Trouble("UNAVAILABLE", after_s=1.0, times=1)
        world.runtime_troubles.by_verb["container"] = Trouble("UNAVAILABLE", times=1)
        await create(world)
        while not world.runtime.inside:
            await asyncio.sleep(0.001)
        world.runtime.lose(next(iter(world.runtime.inside)))
        await shown(world, is_ready, 20)

    live(scene)


def test_an_exit_while_the_agent_opens_its_ears_is_known_soon(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world)
        await shown(world, is_ready)
        await world.kill_agent(goes_on=False)
        world.start_agent()
        # It has listed what runs, and has not yet subscribed to the events.
        while not any(each.verb == "ContainerStatus" for each in world.runtime.calls):
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.004)
        world.runtime.exit(world.runtime.running()[0].id, 3, silently=True)
        await shown(world, lambda found: found["status"]["containerStatuses"][0]["restartCount"] == 1, 5)

    live(scene)


def test_the_grace_goes_on_under_the_next_agent(live: Live) -> None:
    async def scene(world: World) -> float:
        world.runtime.programs[IMAGE] = Program(term_s=None)
        await create(world, terminationGracePeriodSeconds=60)
        await shown(world, is_ready)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await world.client.delete(PODS, "p", "default")
        await asyncio.sleep(50)
        await world.kill_agent(goes_on=False)
        world.start_agent()
        while await world.client.get_or_none(PODS, "p", "default"):
            await asyncio.sleep(0.1)
        return loop.time() - began

    assert 59 < live(scene) < 64


@pytest.mark.parametrize("seconds", [-86400.0, 86400.0])
def test_a_clock_that_is_set_hurries_and_delays_nothing(live: Live, seconds: float) -> None:
    """Back-off of a crash, deadline, and the initial delay of a probe."""

    async def scene(world: World) -> list[float]:
        world.runtime.holds("crash:1")
        world.runtime.programs["crash:1"] = Program(runs_s=1, code=1)
        probe = {"exec": {"command": ["true"]}, "initialDelaySeconds": 30}
        crashing = container("crashing", "crash:1")
        await create(world, container(readinessProbe=probe), crashing, restartPolicy="OnFailure", activeDeadlineSeconds=200)
        await asyncio.sleep(5)
        loop, real = asyncio.get_running_loop(), time.time
        began = loop.time()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: real() + seconds)
            await shown(world, lambda found: found["status"]["containerStatuses"][1]["restartCount"] == 2)
            crashed = loop.time() - began
            await shown(world, lambda found: found["status"]["containerStatuses"][0]["ready"])
            probed = loop.time() - began
            await shown(world, lambda found: found["status"]["phase"] == "Failed", 400)
            return [crashed, probed, loop.time() - began]

    crashed, probed, failed = live(scene)
    assert crashed < 12
    assert 23 < probed < 27
    assert 190 < failed < 200


def test_what_is_left_of_a_pod_that_went_while_no_agent_ran_is_removed_though_the_runtime_fails_at_first(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world)
        await shown(world, is_ready)
        await world.kill_agent(goes_on=False)
        await world.client.delete(PODS, "p", "default", grace_s=0)
        world.runtime_troubles.by_verb["remove_sandbox"] = Trouble("UNAVAILABLE", times=2)
        world.start_agent()
        async with asyncio.timeout(150):
            while world.runtime.boxes:
                await asyncio.sleep(0.1)

    live(scene)
