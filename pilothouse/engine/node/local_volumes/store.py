"""The node's volumes: a folder each, with a file system in a file and the place where that is mounted.

Nothing is remembered: what there is follows from the folders and the kernel's mounts, so that an agent that starts anew, after a kill or
a restart of the machine, finds its way. Every call may be repeated. Pods get the folder `data` of the file system, bound to a folder of
their own: what is beside it (lost+found) is none of theirs.
"""

import asyncio
import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from pilothouse.aio.process import ProcessFailed, ProcessTimeout
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files import durable
from pilothouse.engine.node.files.mountpoints import device_of, is_mounted, mounts_of, unmount_idle
from pilothouse.engine.node.files.removal import remove_tree
from pilothouse.engine.node.local_volumes import image
from pilothouse.model.digits import natural
from pilothouse.model.errors import BadRequest, Conflict, InsufficientStorage, Internal, NotFound

log = structlog.get_logger("node.local_volumes")

LOOP = "loop-mounted-ext4"
"""What keeps volumes to their size, as annotations say it."""
RESERVED_PERCENT = 5
"""Of the disk, for everything else: below that, the node begins to evict pods."""
_NAME = re.compile(r"pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FAILURES = (ProcessFailed, ProcessTimeout, OSError)


@dataclass(frozen=True, slots=True)
class Made:
    """A volume as it is. path: where it is mounted on the node. enforcement: what keeps it to its size.

    is_pending: it was asked to grow, and does when no pod uses it: this machine cannot grow it before.
    """

    size_bytes: int
    path: Path
    enforcement: str
    is_pending: bool = False


class LocalVolumes:
    """missing(): what the machine lacks, "" for nothing."""

    def __init__(self, config: NodeConfig, missing: Callable[[], str] = image.missing) -> None:
        self._folder = config.volumes_dir
        self._missing = missing
        self._locks: dict[str, asyncio.Lock] = {}
        self._making = asyncio.Lock()

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

    async def ensure(self, name: str, size_bytes: int) -> Made:
        """The volume, mounted and at least of that size: made, or grown. Raises ApiError.

        InsufficientStorage: the disk has no room for it. Another volume's promise is never given away.
        """
        _checked(name)
        if why := self._missing():
            raise Internal(f"volumes cannot be kept to their size on this node: {why}")
        wanted = image.rounded(size_bytes)
        async with self._lock(name), self._making:
            try:
                return await self._ensured(self._folder / name, wanted)
            except _FAILURES as error:
                raise Internal(f"volume {name} could not be made: {_said(error)}") from error

    async def _ensured(self, folder: Path, wanted_bytes: int) -> Made:
        file = _image(folder)
        await asyncio.to_thread(_open_folder, self._folder)
        has_bytes = file.stat().st_size if file.exists() else 0
        if wanted_bytes > has_bytes:
            await asyncio.to_thread(self._check_room, wanted_bytes - has_bytes)
        await asyncio.to_thread(folder.mkdir, mode=0o750, exist_ok=True)
        if not has_bytes:
            await image.make(file, wanted_bytes)
            await asyncio.to_thread(_note, folder, wanted_bytes)
        elif wanted_bytes > has_bytes:
            await asyncio.to_thread(os.truncate, file, wanted_bytes)
        data = await self._mounted(folder)
        grown_bytes = await asyncio.to_thread(_noted, folder)
        return Made(grown_bytes, data, LOOP, is_pending=grown_bytes < wanted_bytes)

    async def mount(self, name: str) -> Path:
        """Where the data of a volume that has been made is, mounted again after a restart of the machine. Raises ApiError."""
        _checked(name)
        async with self._lock(name):
            folder = self._folder / name
            if not _image(folder).exists():
                raise NotFound(f"volume {name} is not on this node: its file is gone from {self._folder}")
            try:
                return await self._mounted(folder)
            except _FAILURES as error:
                raise Internal(f"volume {name} could not be mounted: {_said(error)}") from error

    async def _mounted(self, folder: Path) -> Path:
        """Mounted, and as large as its file if that can be had now."""
        file, point = _image(folder), _mount_point(folder)
        if await asyncio.to_thread(_noted, folder) < file.stat().st_size:
            await self._grow(folder)
        if not await asyncio.to_thread(is_mounted, point):
            await image.attach(file, point)
        return await asyncio.to_thread(_data, point)

    async def _grow(self, folder: Path) -> None:
        file, point = _image(folder), _mount_point(folder)
        try:
            if await asyncio.to_thread(is_mounted, point):
                await image.grow_mounted(file)
            elif await asyncio.to_thread(image.devices, file):
                # Some container still has it mounted, which is seen by the device alone: its file system must not change under it.
                return
            else:
                await image.grow_idle(file)
        except ProcessFailed as error:
            log.info("volume not grown while it is mounted", volume=folder.name, why=str(error))
            try:
                await asyncio.to_thread(_let_go, folder)
            except Conflict:
                return
            await image.grow_idle(file)
        await asyncio.to_thread(_note, folder, file.stat().st_size)

    async def remove(self, name: str) -> None:
        """All of the volume; one that is not there is no failure. Raises ApiError: Conflict while somebody still uses it."""
        _checked(name)
        async with self._lock(name):
            try:
                await asyncio.to_thread(_remove, self._folder / name)
            except OSError as error:
                raise Internal(f"volume {name} could not be removed: {_said(error)}") from error
        log.info("volume removed", volume=name)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _check_room(self, more_bytes: int) -> None:
        """Raises InsufficientStorage. What other volumes have been promised and have not written yet counts as taken."""
        disk = os.statvfs(self._folder)
        promised = sum(_unwritten(each) for each in self._folder.glob("*/image"))
        free = disk.f_bavail * disk.f_frsize - promised - disk.f_blocks * disk.f_frsize * RESERVED_PERCENT // 100
        if more_bytes > free:
            left = f"the {_shown(max(0, free))} that the disk of {self._folder} has left for volumes"
            raise InsufficientStorage(f"{_shown(more_bytes)} are more than {left}; ask for less, or make room")


def _checked(name: str) -> None:
    """Raises BadRequest for a name that no volume of ours has: it becomes a part of paths."""
    if not _NAME.fullmatch(name):
        raise BadRequest(f"{name[:64]!r} is no name of a volume that lies on a node")


def _image(folder: Path) -> Path:
    return folder / "image"


def _mount_point(folder: Path) -> Path:
    return folder / "mount"


def _open_folder(folder: Path) -> None:
    # Volumes are writable for everybody in their containers; on the node nobody but root gets as far as to them.
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o750)


def _data(point: Path) -> Path:
    """Appears with its mode or not at all: whose it is afterwards is the pods' to say."""
    data, fresh = point / "data", point / "data.new"
    if not data.exists():
        fresh.mkdir(exist_ok=True)
        fresh.chmod(0o777)
        fresh.rename(data)
    return data


def _note(folder: Path, size_bytes: int) -> None:
    durable.write(folder / "size", str(size_bytes).encode())


def _noted(folder: Path) -> int:
    """The size that the file system has been made or grown for; 0 for one that is not known."""
    try:
        return natural((folder / "size").read_text()) or 0
    except FileNotFoundError:
        return 0


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    _let_go(folder)
    if left := remove_tree(folder):
        raise OSError(errno.EBUSY, "; ".join(left))


def _let_go(folder: Path) -> None:
    """Mounted nowhere any more. Raises Conflict while somebody uses it, OSError."""
    file, point = _image(folder), _mount_point(folder)
    if is_mounted(point):
        if elsewhere := [each for each in mounts_of(device_of(point)) if each != str(point.resolve())]:
            raise Conflict(f"volume {folder.name} is still mounted at {elsewhere[0]}")
        try:
            unmount_idle(point)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            raise Conflict(f"volume {folder.name} is still in use on its node") from error
    # A container that is not gone yet has a mount of its own, which only the device tells of.
    if image.devices(file):
        raise Conflict(f"volume {folder.name} is still in use on its node")


def _unwritten(file: Path) -> int:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0
    return max(0, found.st_size - found.st_blocks * 512)


def _shown(size_bytes: int) -> str:
    """In the largest unit of which there is one. So coarse that a disk in use does not give another text each time."""
    for power, unit in ((40, "TiB"), (30, "GiB")):
        if size_bytes >= 2**power:
            return f"{size_bytes / 2**power:.1f} {unit}"
    return f"{size_bytes / 2**20:.0f} MiB"


def _said(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) and not isinstance(error, ProcessTimeout) else str(error)
