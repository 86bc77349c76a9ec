"""Resizes of pods whose agent is killed in between."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS
from pilothouse.model.quantity import Quantity
from tests.simulation.node.conftest import Scene
from tests.simulation.node.test_lost_answers import create, is_ready, shown
from tests.simulation.node.wires import Trouble
from tests.simulation.node.world import NODE, World
from tests.simulation.objects import container, pod

Live = Callable[[Scene], Any]


async def resize(world: World, cpu: str) -> None:
    patch = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}}]}}
    await world.client.patch(PODS, "p", patch, namespace="default", type=STRATEGIC_PATCH, subresource="resize")


def sized() -> Object:
    return container(resources={"requests": {"cpu": "100m", "memory": "32Mi"}})


def conditions(found: Object) -> list[str]:
    return [each.get("reason", each["type"]) for each in found["status"]["conditions"] if each["type"].startswith("PodResize")]


def has(cpu: str) -> Callable[[Object], bool]:
    def holds(found: Object) -> bool:
        status = found["status"]["containerStatuses"][0]
        return bool(status["resources"]["requests"]["cpu"] == status["allocatedResources"]["cpu"] == cpu and not conditions(found))

    return holds


def shares(world: World) -> int:
    (runs,) = world.runtime.running()
    return world.runtime.configs[runs.id].linux.resources.cpu_shares


@pytest.mark.parametrize("goes_on", [True, False])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.02, 0.05, 0.2])
def test_a_resize_is_carried_out_though_the_agent_is_killed(live: Live, after_s: float, goes_on: bool) -> None:
    async def scene(world: World) -> None:
        await create(world, sized())
        await shown(world, is_ready)
        await resize(world, "300m")
        await asyncio.sleep(after_s)
        await world.kill_agent(goes_on=goes_on)
        world.start_agent()
        found = await shown(world, has("300m"))
        assert (shares(world), found["status"]["containerStatuses"][0]["restartCount"]) == (307, 0)
        await world.kill_agent(goes_on=False)
        world.start_agent()
        await asyncio.sleep(60)
        assert len(world.runtime.called("UpdateContainerResources")) <= 2
        assert has("300m")(await world.client.get(PODS, "p", "default"))

    live(scene)


def test_what_was_asked_for_while_no_agent_ran_is_not_taken_for_allotted(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world, sized())
        await shown(world, is_ready)
        await world.kill_agent(goes_on=False)
        await resize(world, "4000")
        world.start_agent()
        found = await shown(world, lambda each: conditions(each) == ["Infeasible"])
        assert found["status"]["containerStatuses"][0]["allocatedResources"]["cpu"] == "100m"
        await resize(world, "200m")
        await shown(world, has("200m"))
        await world.kill_agent(goes_on=False)
        await resize(world, "4000")
        world.start_agent()
        await shown(world, lambda each: conditions(each) == ["Infeasible"])
        await asyncio.sleep(60)
        status = (await world.client.get(PODS, "p", "default"))["status"]["containerStatuses"][0]
        assert (shares(world), status["allocatedResources"]["cpu"], status["resources"]["requests"]["cpu"]) == (204, "200m", "200m")

    live(scene)


def test_nor_where_its_container_has_ended_meanwhile(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world, sized())
        await shown(world, is_ready)
        await world.kill_agent(goes_on=False)
        await resize(world, "4000")
        world.runtime.exit(world.runtime.running()[0].id, 1)
        world.start_agent()
        await shown(world, lambda each: conditions(each) == ["Infeasible"] and is_ready(each))
        assert shares(world) == 102

    live(scene)


def test_a_resize_that_was_allotted_is_given_by_the_next_agent(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world, sized())
        await shown(world, is_ready)
        world.runtime_troubles.by_verb["update_container"] = Trouble("UNAVAILABLE")
        await resize(world, "300m")
        found = await shown(world, lambda each: conditions(each) == ["Error"])
        assert found["status"]["containerStatuses"][0]["resources"]["requests"]["cpu"] == "100m"
        await world.kill_agent(goes_on=False)
        world.runtime_troubles.mend()
        world.start_agent()
        await shown(world, has("300m"))
        assert shares(world) == 307

    live(scene)


def test_a_sandbox_that_is_lost_comes_back_with_what_was_allotted_last(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world, sized())
        await shown(world, is_ready)
        await resize(world, "300m")
        await shown(world, has("300m"))
        world.runtime.crash_sandbox(next(iter(world.runtime.boxes)))
        found = await shown(world, lambda each: each["status"]["containerStatuses"][0]["restartCount"] == 1 and is_ready(each), 600)
        assert has("300m")(found)
        assert shares(world) == 307

    live(scene)


async def crowded(world: World) -> None:
    """Beside the pod another that leaves it no more than it has."""
    await create(world, sized())
    await shown(world, is_ready)
    node = await world.client.get(NODES, NODE)
    left = Quantity.of(node["status"]["allocatable"]["cpu"]).milli_value - 200
    other = container(resources={"requests": {"cpu": f"{left}m", "memory": "32Mi"}})
    await world.client.create(PODS, pod("other", other, nodeName=NODE), "default")
    await other_is_ready(world)


async def other_is_ready(world: World) -> None:
    async with asyncio.timeout(60):
        while not is_ready(await world.client.get(PODS, "other", "default")):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("frees", ["while no agent runs", "afterwards"])
def test_a_deferred_resize_is_tried_again_by_the_next_agent(live: Live, frees: str) -> None:
    async def scene(world: World) -> None:
        await crowded(world)
        await resize(world, "150m")
        await shown(world, has("150m"))
        await resize(world, "500m")
        await shown(world, lambda each: conditions(each) == ["Deferred"])
        await world.kill_agent(goes_on=False)
        if frees == "while no agent runs":
            await world.client.delete(PODS, "other", "default", grace_s=0)
        world.start_agent()
        if frees == "afterwards":
            await asyncio.sleep(20)
            assert conditions(await world.client.get(PODS, "p", "default")) == ["Deferred"]
            await world.client.delete(PODS, "other", "default")
        await shown(world, has("500m"), 40)

    live(scene)
