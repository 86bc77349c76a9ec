"""The node's volumes: a folder each, with a file system or a bare device in a file.

Nothing is remembered: what there is follows from the folders and the kernel's mounts and devices (`layout`), so that an agent that
starts anew, after a kill or a restart of the machine, finds its way. Every call may be repeated. Pods get the folder `data` of the file
system, bound to a folder of their own: what is beside it (lost+found) is none of theirs; or the device of a block volume.
"""

import asyncio
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from weakref import WeakValueDictionary

import structlog

from pilothouse.aio.process import ProcessFailed, ProcessTimeout
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files import durable
from pilothouse.engine.node.files.mountpoints import is_mounted
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.host import io_limits
from pilothouse.engine.node.local_volumes import image, layout, limiting, loops, xfs
from pilothouse.engine.node.local_volumes.copier import Copier
from pilothouse.engine.node.local_volumes.copying import GivenUp, Progress
from pilothouse.engine.node.local_volumes.freezing import NotStill, thaw_left
from pilothouse.engine.node.local_volumes.growing import IdleGrowth, MustGrowIdle
from pilothouse.engine.node.local_volumes.layout import image_of, mode_of, mount_point, new_mark, noted_size
from pilothouse.engine.node.local_volumes.room import Room
from pilothouse.engine.node.local_volumes.works import Works
from pilothouse.model.errors import BadRequest, Conflict, Internal, NotFound, Unavailable
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.volumes import BLOCK, FILESYSTEM

log = structlog.get_logger("node.local_volumes")

LOOP = "loop-mounted-ext4"
"""What keeps volumes to their size, as annotations say it: of nodes, and of all volumes but those with XFS."""
LOOP_XFS = "loop-mounted-xfs"
_UID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME, SNAPSHOT_NAME = re.compile(f"pvc-{_UID}"), re.compile(f"snapshot-{_UID}")
FAILURES = (ProcessFailed, ProcessTimeout, OSError, NotStill, GivenUp)


@dataclass(frozen=True, slots=True)
class Wanted:
    """mode: `Filesystem` or `Block`; "" for a volume that must be there already.

    source: the volume or snapshot of this node whose content it gets when it is made, "" for none.
    """

    size_bytes: int
    mode: str = FILESYSTEM
    source: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A volume as it is. path: where it is mounted on the node, the file of a block volume. enforcement: what keeps it to its size.

    is_pending: it was asked to grow, and does when no pod uses it: this machine cannot grow it before.
    """

    size_bytes: int
    path: Path
    enforcement: str
    is_pending: bool = False


class LocalVolumes:
    """missing(): what the machine lacks, "" for nothing. The agent that owns it calls `recover` when it starts and `close` at its end."""

    def __init__(self, config: NodeConfig, missing: Callable[[], str] = image.missing) -> None:
        self._config = config
        self._folder = config.volumes_dir
        self._pods = config.pods_dir
        self._missing = missing
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._works: Works[None] = Works()
        self._growth = IdleGrowth(self.lock)
        self._recovering = asyncio.Lock()
        self._is_recovered = False
        self.room = Room(self._folder)
        self.copier = Copier(self.room)

    @property
    def folder(self) -> Path:
        return self._folder

    def trouble(self) -> str:
        """Why no volume can be kept to its size here, "" when it can be."""
        return self._missing()

    @property
    def enforcement(self) -> str:
        """ "" where no volume can be kept to its size: then none is made."""
        return "" if self._missing() else LOOP

    async def recover(self) -> None:
        """Once: thaws and clears away what an agent has left that was killed in the middle of a copy."""
        async with self._recovering:
            if not self._is_recovered:
                await asyncio.to_thread(_recover, self._folder)
                self._is_recovered = True

    async def close(self) -> None:
        """Copies and growth that go on are given up; they begin anew when they are asked for again."""
        await self._works.close()
        await self._growth.close()

    async def ensure(self, name: str, wanted: Wanted) -> Made | Progress:
        """The volume, mounted and at least of that size: made, or grown; how far its copy is, when that takes long. Raises ApiError.

        InsufficientStorage: the disk has no room for it. Another volume's promise is never given away.
        """
        checked(name)
        if wanted.source and not SNAPSHOT_NAME.fullmatch(wanted.source):
            checked(wanted.source)
        if why := self._missing():
            raise Internal(f"volumes cannot be kept to their size on this node: {why}")
        await self.recover()
        size_bytes = image.rounded(wanted.size_bytes)
        folder = self._folder / name
        try:
            await asyncio.to_thread(layout.open_folder, self._folder)
            if wanted.source and not await asyncio.to_thread(image_of(folder).exists):
                copied = await self._works.result(name, lambda progress: self._copy(folder, wanted, size_bytes, progress))
                if copied is not None:
                    return copied
            return await self._growth.around(folder, partial(self._ensured, folder, wanted.mode, size_bytes))
        except FAILURES as error:
            raise Internal(f"volume {name} could not be made: {said(error)}") from error

    async def _ensured(self, folder: Path, mode: str, wanted_bytes: int) -> Made:
        file = image_of(folder)
        has_bytes = file.stat().st_size if file.exists() else 0
        if not has_bytes and not mode:
            # An empty one in its place would hide that its data is lost.
            raise NotFound(f"volume {folder.name} is not on this node: its file is gone from {self._folder}")
        if not has_bytes:
            await self._make(folder, mode, wanted_bytes)
        elif wanted_bytes > has_bytes:
            await asyncio.to_thread(self._extend, file, wanted_bytes)
        if mode_of(folder) == BLOCK:
            return Made(await asyncio.to_thread(_grown_device, folder), file, LOOP)
        data = await self._mounted(folder)
        grown_bytes = await asyncio.to_thread(noted_size, folder)
        if not grown_bytes:
            raise Unavailable(f"volume {folder.name} has its content and cannot be made larger yet: it is still in use on its node")
        enforcement = LOOP_XFS if await asyncio.to_thread(xfs.is_in, file) else LOOP
        return Made(grown_bytes, data, enforcement, is_pending=grown_bytes < wanted_bytes)

    async def _make(self, folder: Path, mode: str, size_bytes: int) -> None:
        async with self.room.holding(folder.name, size_bytes):
            await asyncio.to_thread(_begin, folder, mode)
            if mode == BLOCK:
                await asyncio.to_thread(image.make_bare, image_of(folder), size_bytes)
            else:
                await image.make(image_of(folder), size_bytes)
        await asyncio.to_thread(layout.note_size, folder, size_bytes)

    def _extend(self, file: Path, size_bytes: int) -> None:
        with self.room.held(file.parent.name, size_bytes - file.stat().st_size):
            os.truncate(file, size_bytes)

    async def _copy(self, folder: Path, wanted: Wanted, size_bytes: int, progress: Progress) -> None:
        """The image, from what the source has; a file system in it grows when it is mounted. Raises ApiError, FAILURES."""
        source = self._folder / wanted.source
        fresh = image.fresh_of(image_of(folder))
        async with self.lock(folder.name):
            content = source / "content" if SNAPSHOT_NAME.fullmatch(wanted.source) else image_of(source)
            if not await asyncio.to_thread(content.exists):
                raise NotFound(f"the content of volume {folder.name} is not on this node: there is no {wanted.source}")
            async with self.room.holding(folder.name, max(size_bytes, content.stat().st_size)):
                await asyncio.to_thread(_begin, folder, wanted.mode)
                if content.name == "content":
                    await self.copier.of_file(content, fresh, size_bytes, progress)
                else:
                    await self.rest(source)
                    await self.copier.of_volume(source, fresh, folder.name, self.lock(source.name), progress)
                    await asyncio.to_thread(_enlarge, fresh, size_bytes)
                await asyncio.to_thread(image.keep, fresh, image_of(folder))

    async def rest(self, folder: Path) -> None:
        """Has a volume in the state in which it can be copied: mounted, if it has a file system. Raises ApiError, FAILURES."""
        if mode_of(folder) != BLOCK:
            await self._growth.around(folder, partial(self._mounted, folder))

    async def mount(self, name: str) -> Path:
        """Where the data of a volume that has been made is, mounted again after a restart of the machine; the file of a block volume.

        Raises ApiError.
        """
        checked(name)
        await self.recover()
        folder = self._folder / name
        try:
            return await self._growth.around(folder, partial(self._mount, folder))
        except FAILURES as error:
            raise Internal(f"volume {name} could not be mounted: {said(error)}") from error

    async def _mount(self, folder: Path) -> Path:
        if not image_of(folder).exists():
            raise NotFound(f"volume {folder.name} is not on this node: its file is gone from {self._folder}")
        if mode_of(folder) == BLOCK:
            await asyncio.to_thread(_grown_device, folder)
            return image_of(folder)
        return await self._mounted(folder)

    async def _mounted(self, folder: Path) -> Path:
        """Mounted, and as large as its file if that can be had now. The caller has the volume's lock. Raises FAILURES, MustGrowIdle."""
        file, point = image_of(folder), mount_point(folder)
        if not await asyncio.to_thread(is_mounted, point):
            if await asyncio.to_thread(_must_grow_idle, folder):
                raise MustGrowIdle
            await image.attach(file, point)
        if await asyncio.to_thread(noted_size, folder) < file.stat().st_size:
            await self._grow(folder)
        return await asyncio.to_thread(layout.data_of, point)

    async def _grow(self, folder: Path) -> None:
        """Of a volume that is mounted. Raises OSError, MustGrowIdle."""
        file = image_of(folder)
        try:
            await image.grow_mounted(file, mount_point(folder))
        except ProcessTimeout as error:
            log.warning("volume not grown in time", volume=folder.name, why=str(error))
        except ProcessFailed as error:
            log.info("volume not grown while it is mounted", volume=folder.name, why=str(error))
            if await asyncio.to_thread(xfs.is_in, file):
                return  # It grows in no other way; it is tried again.
            try:
                await asyncio.to_thread(layout.let_go, folder, self._pods)
            except Conflict:
                return  # A pod has it, and it grows when that has ended.
            raise MustGrowIdle from error
        else:
            await asyncio.to_thread(layout.note_size, folder, file.stat().st_size)

    async def remove(self, name: str) -> None:
        """All of the volume; one that is not there is no failure. Raises ApiError: Conflict while somebody still uses it."""
        checked(name)
        await self.recover()
        await self._works.stop(name)
        await self._growth.stop(name)
        async with self.lock(name):
            try:
                await asyncio.to_thread(layout.remove, self._folder / name, self._pods)
            except OSError as error:
                raise Internal(f"volume {name} could not be removed: {said(error)}") from error
        log.info("volume removed", volume=name)

    async def limit(self, name: str, limits: IoLimits) -> None:
        """How much it may be read and written in a second, from now on. Raises ApiError: BadRequest where that cannot be had."""
        checked(name)
        if why := await asyncio.to_thread(io_limits.trouble):
            raise BadRequest(f"node {self._config.node_name} cannot limit the I/O of volumes: {why}")
        folder = self._folder / name
        if not await asyncio.to_thread(image_of(folder).exists):
            raise NotFound(f"volume {name} is not on this node: its file is gone from {self._folder}")
        async with self.lock(name):
            try:
                await asyncio.to_thread(limiting.limit, self._config, folder, limits)
            except OSError as error:
                raise Internal(f"the I/O of volume {name} could not be limited: {said(error)}") from error

    async def confirm(self, name: str) -> None:
        """The cluster has a PersistentVolume of it: from now on it goes only when it is removed."""
        checked(name)
        await asyncio.to_thread(new_mark(self._folder / name).unlink, missing_ok=True)

    async def unconfirmed(self) -> list[str]:
        """Names of the volumes that were made for a claim, and of which nobody has said yet that the cluster knows them."""
        found = await asyncio.to_thread(lambda: sorted(each.parent.name for each in self._folder.glob("*/new")))
        return [name for name in found if _NAME.fullmatch(name)]

    def lock(self, name: str) -> asyncio.Lock:
        """Of one volume: nothing is done to it by two at once."""
        return self._locks.setdefault(name, asyncio.Lock())


def checked(name: str) -> None:
    """Raises BadRequest for a name that no volume of ours has: it becomes a part of paths."""
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{name[:64]!r} is no name of a volume that lies on a node")


def _begin(folder: Path, mode: str) -> None:
    folder.mkdir(mode=0o750, exist_ok=True)
    durable.write(new_mark(folder), b"")
    layout.note_mode(folder, mode)


def _must_grow_idle(folder: Path) -> bool:
    """Of a volume that is not mounted. One that some container still has, which is seen by the device alone, must not change under it."""
    file = image_of(folder)
    if image.was_cut(file):
        return True
    if noted_size(folder) >= file.stat().st_size or xfs.is_in(file):
        return False
    return not image.can_grow_mounted() and not loops.devices(file)


def _enlarge(file: Path, size_bytes: int) -> None:
    if file.stat().st_size < size_bytes:
        os.truncate(file, size_bytes)


def _grown_device(folder: Path) -> int:
    """Its devices are as large as its file has become; its size."""
    file = image_of(folder)
    size_bytes = file.stat().st_size
    if noted_size(folder) != size_bytes:
        loops.show_size(file)
        layout.note_size(folder, size_bytes)
    return size_bytes


def _recover(volumes: Path) -> None:
    thaw_left(volumes)
    for left in volumes.glob("*/image.new"):
        left.unlink(missing_ok=True)
    for folder in volumes.glob("snapshot-*"):
        if not (folder / "content").exists():
            remove_tree(folder)


def said(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ProcessTimeout):
        return error.strerror or str(error)
    return str(error) or "it was given up"
