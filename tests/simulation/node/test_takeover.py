"""An agent that takes over a node: what one pod has wrong is that pod's, and what nobody asks for any more goes."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from pilothouse.engine.node.runtime.seam import RESTARTS, RuntimeFailure, Sandbox
from pilothouse.engine.node.work import worker
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import EVENTS, PODS
from tests.simulation.fake_runtime import FakeRuntime
from tests.simulation.node.conftest import Scene
from tests.simulation.node.wires import Trouble
from tests.simulation.node.world import NODE, World
from tests.simulation.objects import IMAGE, pod

Live = Callable[[Scene], Any]


async def ready(world: World, name: str, seconds: float = 30.0) -> Object:
    async with asyncio.timeout(seconds):
        while not meta.is_true(found := await world.client.get(PODS, name, "default"), "Ready"):
            await asyncio.sleep(0.05)
    return found


async def runs(world: World, name: str) -> Object:
    world.runtime.holds(IMAGE)
    await world.client.create(PODS, pod(name, nodeName=NODE), "default")
    return await ready(world, name)


async def said(world: World, name: str) -> list[str]:
    """What FailedSync events of the pod say."""
    events = (await world.client.list(EVENTS, "default")).items
    return [each["message"] for each in events if each["reason"] == "FailedSync" and each["involvedObject"]["name"] == name]


def test_a_container_that_has_restarted_thousands_of_times_is_taken_over(live: Live) -> None:
    async def scene(world: World) -> None:
        await runs(world, "p")
        await world.kill_agent(goes_on=False)
        for id, each in world.runtime.inside.items():
            world.runtime.inside[id] = replace(each, attempt=5000, annotations=each.annotations | {RESTARTS: "5000"})
        world.start_agent()
        await runs(world, "other")
        shown = await ready(world, "p")
        assert shown["status"]["containerStatuses"][0]["restartCount"] == 5000

    live(scene)


def test_a_pod_that_cannot_be_taken_over_is_named_and_leaves_the_others_alone(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    adopt = worker.adopt

    def broken(pod: Object, *more: Any) -> None:
        if meta.name(pod) == "bad":
            raise ValueError("a bug")
        adopt(pod, *more)

    async def scene(world: World) -> None:
        await runs(world, "bad")
        await world.kill_agent(goes_on=False)
        monkeypatch.setattr(worker, "adopt", broken)
        world.start_agent()
        await runs(world, "good")
        assert any("ValueError: a bug" in each for each in await said(world, "bad"))
        assert len(world.runtime.running()) == 2
        monkeypatch.setattr(worker, "adopt", adopt)
        await asyncio.sleep(300)
        await world.client.delete(PODS, "bad", "default", grace_s=1)
        await asyncio.sleep(10)
        assert len(world.runtime.running()) == 1

    live(scene)


def test_a_container_that_the_runtime_cannot_tell_of_delays_its_own_pod_alone(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(world: World) -> None:
        await runs(world, "bad")
        await world.kill_agent(goes_on=False)
        (lost,) = world.runtime.running()
        asked = FakeRuntime.container

        async def container(runtime: FakeRuntime, id: str) -> Any:
            if id == lost.id:
                raise RuntimeFailure("ContainerStatus", "its record cannot be read", "UNKNOWN")
            return await asked(runtime, id)

        monkeypatch.setattr(FakeRuntime, "container", container)
        with capture_logs() as logs:
            world.start_agent()
            await runs(world, "good")
        # It is the runtime's failure and not a bug of the node's.
        assert not [each for each in logs if each["log_level"] == "error"]
        assert any("its record cannot be read" in each for each in await said(world, "bad"))
        monkeypatch.setattr(FakeRuntime, "container", asked)
        await asyncio.sleep(300)
        # Nobody has decided anything about it meanwhile.
        assert lost.id in {each.id for each in world.runtime.running()}
        shown = await ready(world, "bad")
        assert shown["status"]["containerStatuses"][0]["restartCount"] == 0

    live(scene)


def test_what_is_left_of_a_deleted_pod_goes_although_the_runtime_refused_at_first(live: Live) -> None:
    async def scene(world: World) -> None:
        await runs(world, "p")
        await world.kill_agent(goes_on=False)
        await world.client.delete(PODS, "p", "default", grace_s=0)
        world.runtime_troubles.by_verb["stop_sandbox"] = Trouble("DEADLINE_EXCEEDED", times=1)
        world.start_agent()
        async with asyncio.timeout(120):
            while world.runtime.boxes or world.runtime.inside:
                await asyncio.sleep(1)

    live(scene)


def test_a_sandbox_of_no_pod_costs_no_pod_its_files(live: Live) -> None:
    async def scene(world: World) -> None:
        shown = await runs(world, "p")
        files = world.folder / "kubelet" / "pods" / shown["metadata"]["uid"]
        assert files.is_dir()
        # As somebody makes one by hand, with the runtime's own tools.
        world.runtime.boxes["theirs"] = Sandbox("theirs", "", "x", "x", 0, True, 1.0)
        await world.kill_agent(goes_on=False)
        world.start_agent()
        await ready(world, "p")
        await asyncio.sleep(200)
        assert files.is_dir()
        assert "theirs" in world.runtime.boxes

    live(scene)


def test_the_address_of_a_sandbox_that_is_no_more_is_not_shown_on(live: Live) -> None:
    """Somebody else may have it by now."""

    async def scene(world: World) -> None:
        shown = await runs(world, "p")
        assert shown["status"]["podIP"]
        await world.kill_agent(goes_on=False)
        world.runtime.restart_machine()
        world.runtime_troubles.by_verb["run_sandbox"] = Trouble("UNAVAILABLE")
        world.start_agent()
        async with asyncio.timeout(60):
            while "podIP" in (found := await world.client.get(PODS, "p", "default"))["status"]:
                await asyncio.sleep(0.1)
        assert "podIPs" not in found["status"]
        world.runtime_troubles.mend()
        await ready(world, "p", 120)

    live(scene)
