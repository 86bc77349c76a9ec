"""Restarts that the node has decided, and whose agent is killed before they are done."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.simulation.fake_runtime import Program
from tests.simulation.node.conftest import Scene
from tests.simulation.node.test_lost_answers import create, is_ready, shown
from tests.simulation.node.world import World
from tests.simulation.objects import container

Live = Callable[[Scene], Any]
AGAIN = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}


async def change(world: World, image: str) -> None:
    patch = {"spec": {"containers": [{"name": "main", "image": image}]}}
    await world.client.patch(PODS, "p", patch, namespace="default", type=STRATEGIC_PATCH)


async def nothing_runs(world: World) -> None:
    async with asyncio.timeout(60):
        while world.runtime.running():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_container_that_was_ended_to_change_is_started_by_the_next_agent_whatever_its_policy(live: Live, policy: str) -> None:
    async def scene(world: World) -> None:
        world.runtime.holds("app:2")
        await create(world, restartPolicy=policy)
        await shown(world, is_ready)
        await change(world, "app:2")
        await nothing_runs(world)
        await world.kill_agent(goes_on=False)
        world.start_agent()
        await shown(world, lambda found: is_ready(found) and found["status"]["containerStatuses"][0]["image"] == "app:2")

    live(scene)


def test_what_has_ended_by_itself_afterwards_is_not_started_for_that(live: Live) -> None:
    async def scene(world: World) -> None:
        world.runtime.holds("app:2")
        await create(world, restartPolicy="Never")
        await shown(world, is_ready)
        await change(world, "app:2")
        await shown(world, lambda found: is_ready(found) and found["status"]["containerStatuses"][0]["image"] == "app:2")
        await world.kill_agent(goes_on=False)
        world.runtime.exit(world.runtime.running()[0].id, 0)
        world.start_agent()
        await shown(world, lambda found: found["status"]["phase"] == "Succeeded")

    live(scene)


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_what_was_ended_for_its_dead_sandbox_has_not_succeeded_for_the_next_agent_either(live: Live, policy: str) -> None:
    async def scene(world: World) -> None:
        world.runtime.holds("polite:1")
        world.runtime.programs["polite:1"] = Program(term_s=5, term_code=0)
        await create(world, container(image="polite:1"), restartPolicy=policy)
        await shown(world, is_ready)
        (box,) = world.runtime.boxes
        world.runtime.crash_pause(box)
        await asyncio.sleep(1)
        await world.kill_agent(goes_on=True)
        await nothing_runs(world)
        world.start_agent()
        if policy == "Never":
            await shown(world, lambda found: (found["status"]["phase"], found["status"].get("reason")) == ("Failed", "SandboxLost"))
        else:
            await shown(world, lambda found: is_ready(found) and found["status"]["containerStatuses"][0]["restartCount"] == 1)

    live(scene)


@pytest.mark.parametrize("seconds", [-86400.0, 86400.0])
def test_a_restart_of_all_containers_is_not_begun_twice_though_the_clock_was_set(live: Live, seconds: float) -> None:
    async def scene(world: World) -> None:
        world.runtime.holds("short:1", "init:1")
        world.runtime.programs |= {"short:1": Program(runs_s=5, code=42), "init:1": Program(runs_s=20)}
        short = container("short", "short:1", restartPolicy="Never", restartPolicyRules=[AGAIN])
        await create(world, container(), short, initContainers=[container("init", "init:1")], restartPolicy="Never")
        await shown(world, is_ready, 60)
        real = time.time
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: real() + seconds)
            again = await initializing(world)
            await world.kill_agent(goes_on=False)
            world.start_agent()
            await asyncio.sleep(5)
            assert [each.id for each in world.runtime.running()] == [again]

    live(scene)


async def initializing(world: World) -> str:
    """Id of the init container once it runs for the second time."""
    async with asyncio.timeout(60):
        while not (found := [each.id for each in world.runtime.running() if each.name == "init" and each.attempt == 1]):
            await asyncio.sleep(0.01)
    return found[0]


def test_a_restart_of_all_containers_that_was_decided_is_carried_out_by_the_next_agent(live: Live) -> None:
    async def scene(world: World) -> None:
        world.runtime.holds("short:1")
        world.runtime.programs["short:1"] = Program(runs_s=5, code=42)
        short = container("short", "short:1", restartPolicy="Never", restartPolicyRules=[AGAIN])
        await create(world, container(), short, restartPolicy="Never")
        await shown(world, is_ready)
        await nothing_runs(world)
        await world.kill_agent(goes_on=False)
        world.start_agent()

        def is_back(found: Object) -> bool:
            return is_ready(found) and all(each["restartCount"] == 1 for each in found["status"]["containerStatuses"])

        await shown(world, is_back)

    live(scene)
