import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.node.world import World
from tests.simulation.virtual import virtually

Scene = Callable[[World], Coroutine[Any, Any, Any]]


@pytest.fixture
def live(tmp_path: Path, state: Path) -> Callable[[Scene], Any]:
    """Plays a scene in a world of its own, in virtual time."""

    def played(scene: Scene) -> Any:
        async def whole() -> Any:
            world, ready = World(tmp_path / "node", state), asyncio.Event()
            life = asyncio.ensure_future(world.run(ready))
            await asyncio.wait([asyncio.ensure_future(ready.wait()), life], return_when=asyncio.FIRST_COMPLETED)
            try:
                return await scene(world)
            finally:
                life.cancel()
                await asyncio.wait([life])

        return virtually(whole)

    return played
