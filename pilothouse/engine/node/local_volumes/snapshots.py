"""Snapshots of the node's volumes: a folder each beside them, with a copy that nobody writes to.

    about       size and mode of the volume at that moment, when it was, and of which volume; written before `content` appears
    content     the copy; it appears whole or not at all

A snapshot takes room of the disk for what its volume has written, not for what the volume has been promised. Every call may be repeated.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pilothouse.engine.node.files import durable
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.local_volumes import image, layout
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.layout import image_of, mode_of
from pilothouse.engine.node.local_volumes.room import written
from pilothouse.engine.node.local_volumes.store import FAILURES, SNAPSHOT_NAME, LocalVolumes, checked, said
from pilothouse.engine.node.local_volumes.works import Works
from pilothouse.model.errors import BadRequest, Internal, NotFound
from pilothouse.model.json import JSONError, dumps, loads


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot as it is. size_bytes: of the volume, which one made of it has at least. taken_ns: since 1970. volume: its name."""

    size_bytes: int
    taken_ns: int
    mode: str
    volume: str


class LocalSnapshots:
    """clock: nanoseconds since 1970."""

    def __init__(self, volumes: LocalVolumes, clock: Callable[[], int] = time.time_ns) -> None:
        self._volumes = volumes
        self._clock = clock
        self._works: Works[Taken] = Works()

    async def ensure(self, name: str, volume: str) -> Taken | Progress:
        """Of the volume as it is when the copy is made, which is once; how far the copy is, when it takes long. Raises ApiError."""
        _checked(name)
        checked(volume)
        await self._volumes.recover()
        folder = self._volumes.folder / name
        if (found := await asyncio.to_thread(_about, folder)) is not None:
            return found
        try:
            return await self._works.result(name, lambda progress: self._take(folder, self._volumes.folder / volume, progress))
        except FAILURES as error:
            raise Internal(f"volume {volume} could not be copied: {said(error)}") from error

    async def _take(self, folder: Path, source: Path, progress: Progress) -> Taken:
        if not await asyncio.to_thread(image_of(source).exists):
            raise NotFound(f"volume {source.name} is not on this node")
        room, fresh = self._volumes.room, folder / "content.new"
        await asyncio.to_thread(layout.open_folder, self._volumes.folder)
        try:
            async with room.holding(folder.name, written(image_of(source))):
                await asyncio.to_thread(folder.mkdir, mode=0o750, exist_ok=True)
                await self._volumes.rest(source)
                lock = self._volumes.lock(source.name)
                size_bytes = await self._volumes.copier.of_volume(source, fresh, folder.name, lock, progress)
                taken = Taken(size_bytes, self._clock(), mode_of(source), source.name)
                await asyncio.to_thread(durable.write, folder / "about", dumps(asdict(taken)))
                await asyncio.to_thread(image.keep, fresh, folder / "content")
        except BaseException:
            await asyncio.to_thread(remove_tree, folder)
            raise
        return taken

    async def look(self, name: str) -> Taken:
        """Raises NotFound."""
        _checked(name)
        found = await asyncio.to_thread(_about, self._volumes.folder / name)
        if found is None:
            raise NotFound(f"snapshot {name} is not on this node")
        return found

    async def remove(self, name: str) -> None:
        """Also one that is being taken; one that is not there is no failure. What is being made of it goes on. Raises ApiError."""
        _checked(name)
        await self._works.stop(name)
        left = await asyncio.to_thread(remove_tree, self._volumes.folder / name)
        if left:
            raise Internal(f"snapshot {name} could not be removed: {'; '.join(left)}")

    async def close(self) -> None:
        await self._works.close()


def _checked(name: str) -> None:
    if not SNAPSHOT_NAME.fullmatch(name):
        raise BadRequest(f"{name[:64]!r} is no name of a snapshot that lies on a node")


def _about(folder: Path) -> Taken | None:
    """None while it is not whole."""
    try:
        if not (folder / "content").exists():
            return None
        return Taken(**loads((folder / "about").read_bytes()))
    except (FileNotFoundError, JSONError, TypeError):
        return None
