"""Static pods of a node whose API server does not answer."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pilothouse.engine.node.runtime.seam import Container
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.simulation.node.conftest import Scene
from tests.simulation.node.test_lost_answers import create, is_ready, shown
from tests.simulation.node.wires import Trouble
from tests.simulation.node.world import NODE, World
from tests.simulation.objects import IMAGE, pod

Live = Callable[[Scene], Any]
NAME = f"web-{NODE}"


def write(world: World, wanted: Object) -> None:
    folder = world.folder / "manifests"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "web.json").write_text(json.dumps({"apiVersion": "v1", "kind": "Pod"} | wanted))


async def mirror(world: World, *, restarts: int = 0) -> Object:
    async with asyncio.timeout(60):
        while True:
            found = await world.client.get_or_none(PODS, NAME, "default")
            if found is not None and is_ready(found) and found["status"]["containerStatuses"][0]["restartCount"] == restarts:
                return found
            await asyncio.sleep(0.05)


def log_of(world: World, container: Container) -> Path:
    box = world.runtime.boxes[container.sandbox_id]
    return world.folder / "logs" / "pods" / f"{box.namespace}_{box.name}_{box.uid}" / container.name / f"{container.attempt}.log"


def test_static_pods_that_were_let_in_start_while_no_api_server_answers_and_others_when_it_does(live: Live) -> None:
    async def scene(world: World) -> None:
        await create(world)
        await shown(world, is_ready)
        write(world, pod("web"))
        before = await mirror(world)
        world.api_troubles.by_verb[""] = Trouble("UNAVAILABLE")
        await world.restart_machine()
        async with asyncio.timeout(30):
            while not world.runtime.running():
                await asyncio.sleep(0.1)
        (runs,) = world.runtime.running()
        written = log_of(world, runs)
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_bytes(bytes(11 << 20))
        await asyncio.sleep(120)
        assert world.runtime.called("ReopenContainerLog")
        assert [world.runtime.boxes[each.sandbox_id].name for each in world.runtime.running()] == [NAME]
        assert world.runtime.running()[0].image == IMAGE
        calls = len(world.runtime.calls)
        await asyncio.sleep(60)
        assert len(world.runtime.calls) - calls < 60
        world.api_troubles.mend()
        await shown(world, is_ready)
        assert meta.uid(await mirror(world, restarts=1)) == meta.uid(before)

    live(scene)
