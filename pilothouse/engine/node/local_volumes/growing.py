"""Has file systems grow that this machine cannot grow while they are mounted: in the background, for as long as that takes.

A check reads all of a file system, so no time is right for every size; whoever asks for the volume meanwhile is told, and asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from pilothouse.engine.node.local_volumes import image, layout, loops
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.layout import image_of
from pilothouse.engine.node.local_volumes.works import Works
from pilothouse.model.errors import Unavailable

AT_ONCE = 4
"""Checks: each takes memory for the size of its file system. A large one holds up no small one."""
WAIT_S = 5.0
"""How long whoever asks for the volume waits for it at a time: most file systems are small."""

T = TypeVar("T")


class MustGrowIdle(Exception):
    """The volume is mounted nowhere, and has to stay so until it has been checked and grown."""


class IdleGrowth:
    """lock(name): the volume's, held while nothing may be done to it by two."""

    def __init__(self, lock: Callable[[str], asyncio.Lock]) -> None:
        self._lock = lock
        self._works: Works[None] = Works(WAIT_S)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def around(self, folder: Path, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns with the volume's lock; it raises MustGrowIdle where the volume has to grow before.

        Raises what it raises otherwise, Unavailable while the volume grows, OSError, ProcessFailed.
        """
        for _ in range(2):
            if not self._works.goes_on(folder.name):
                async with self._lock(folder.name):
                    try:
                        return await call()
                    except MustGrowIdle:
                        pass
            if await self._works.result(folder.name, lambda progress: self._grow(folder, progress)) is not None:
                break
        raise Unavailable(f"volume {folder.name} is being checked and made larger, which takes long; it can be used after that")

    async def _grow(self, folder: Path, progress: Progress) -> None:
        async with self._turns, self._lock(folder.name):
            if await asyncio.to_thread(_may_grow, folder):
                await image.grow_idle(image_of(folder))
                await asyncio.to_thread(layout.note_size, folder, image_of(folder).stat().st_size)

    async def stop(self, name: str) -> None:
        """What is cut off is mended when the volume grows again."""
        await self._works.stop(name)

    async def close(self) -> None:
        await self._works.close()


def _may_grow(folder: Path) -> bool:
    """Somebody may have it again, or have had it grow, before its turn came."""
    file = image_of(folder)
    return file.exists() and not loops.devices(file) and layout.noted_size(folder) < file.stat().st_size
