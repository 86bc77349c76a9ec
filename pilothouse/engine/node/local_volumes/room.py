"""The room that the disk has for volumes. What other volumes have been promised and have not written yet counts as taken.

So does what they share with their snapshots and clones (reflink): it takes new room of the disk when it is written over.

What is being made has its room held in memory until its file stands for itself; an agent that is killed has nothing in the making.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pilothouse.engine.node.local_volumes import extents
from pilothouse.model.errors import InsufficientStorage

RESERVED_PERCENT = 5
"""Of the disk, for everything else: below that, the node begins to evict pods."""


class Room:
    """folder: of the volumes. For several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}
        self._turn = threading.Lock()
        self._can_share: bool | None = None

    @contextmanager
    def held(self, name: str, more_bytes: int) -> Iterator[None]:
        """Keeps the room free of others' promises for the block. name: of the work, one block at a time. Blocking.

        Raises InsufficientStorage.
        """
        self.hold(name, more_bytes)
        try:
            yield
        finally:
            self._give_back(name)

    @asynccontextmanager
    async def holding(self, name: str, more_bytes: int) -> AsyncIterator[None]:
        """`held` for the event loop: the disk and every volume are looked at in a thread. Raises InsufficientStorage."""
        looking = asyncio.get_running_loop().run_in_executor(None, self.hold, name, more_bytes)
        try:
            try:
                await asyncio.wait([looking])
            except asyncio.CancelledError:
                # It holds what nobody would give back, if it is not waited for.
                await asyncio.wait([looking])
                looking.exception()
                raise
            looking.result()
            yield
        finally:
            self._give_back(name)

    def _give_back(self, name: str) -> None:
        # Without the turn, which a thread may have that waits for the disk.
        self._held.pop(name, None)

    def hold(self, name: str, more_bytes: int) -> None:
        """So much at least, with what it holds already. Raises InsufficientStorage; then it holds what it did."""
        with self._turn:
            if more_bytes <= self._held.get(name, 0):
                return
            free = self._free(name)
            if more_bytes > free:
                left = f"the {shown(max(0, free))} that the disk of {self._folder} has left for volumes"
                raise InsufficientStorage(f"{shown(more_bytes)} are more than {left}; ask for less, or make room")
            self._held[name] = more_bytes

    def _free(self, name: str) -> int:
        disk = os.statvfs(self._folder)
        if self._can_share is None:
            self._can_share = extents.can_share(self._folder)
        promised = sum(_promised(each, can_share=self._can_share) for each in self._folder.glob("*/image"))
        held = sum(held_bytes for other, held_bytes in list(self._held.items()) if other != name)
        return disk.f_bavail * disk.f_frsize - promised - held - disk.f_blocks * disk.f_frsize * RESERVED_PERCENT // 100


def written(file: Path) -> int:
    """What the file takes on the disk. Raises OSError."""
    return file.stat().st_blocks * 512


def _promised(file: Path, *, can_share: bool) -> int:
    """What the volume may take of the disk beside what it has taken for itself alone."""
    try:
        found = file.stat()
        shared = extents.shared_bytes(file) if can_share else 0
    except FileNotFoundError:
        return 0
    return max(0, found.st_size - max(0, found.st_blocks * 512 - shared))


def shown(size_bytes: int) -> str:
    """In the largest unit of which there is one. So coarse that a disk in use does not give another text each time."""
    for power, unit in ((40, "TiB"), (30, "GiB")):
        if size_bytes >= 2**power:
            return f"{size_bytes / 2**power:.1f} {unit}"
    return f"{size_bytes / 2**20:.0f} MiB"
