"""Copies of a volume as it is at one moment, also of one that is mounted and written to.

A mounted file system is held still while it is copied, which takes no time where the disk can share the content of files. Elsewhere it
is copied first while it is used, so that only what has been written since then is left to copy in the time that it is still.
A block volume that a pod has cannot be held still: it is copied where that takes no time, and refused elsewhere.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.local_volumes import copying, freezing, loops
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.layout import image_of, mode_of, mount_point
from pilothouse.engine.node.local_volumes.room import Room, written
from pilothouse.model.errors import Conflict
from pilothouse.model.volumes import BLOCK

AT_ONCE = 2
"""Copies, each with a thread of its own: one that holds a file system still never waits for another's thread."""

T = TypeVar("T")


class Copier:
    """room: from which each copy holds what it takes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "volume copy")

    async def of_volume(self, folder: Path, fresh: Path, held: str, lock: asyncio.Lock, progress: Progress) -> int:
        """`fresh` becomes what the volume is; its size in bytes. folder: of the volume, which is mounted if it has a file system.

        held: the name under which the room for it is held. lock: the volume's, held while nothing may be done to it.
        Raises Conflict, InsufficientStorage, NotStill, OSError, GivenUp.
        """
        async with self._turns:
            source = os.open(image_of(folder), os.O_RDONLY | os.O_CLOEXEC)
            target = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with opened(source), opened(target):
                if mode_of(folder) == BLOCK:
                    async with lock:
                        await self._copy_block(folder, source, target, progress)
                else:
                    await self._copy_mounted(folder, source, target, held, lock, progress)
                return os.fstat(target).st_size

    async def of_file(self, content: Path, fresh: Path, size_bytes: int, progress: Progress) -> None:
        """`fresh` becomes what the file is, which nobody writes to, and as large as stated. Raises OSError, GivenUp."""
        async with self._turns:
            source = os.open(content, os.O_RDONLY | os.O_CLOEXEC)
            target = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with opened(source), opened(target):
                await self._in_thread(progress, partial(_copy, source, target, progress))
                os.truncate(target, max(size_bytes, os.fstat(target).st_size))

    async def _copy_mounted(self, folder: Path, source: int, target: int, held: str, lock: asyncio.Lock, progress: Progress) -> None:
        can_share = await self._in_thread(progress, partial(copying.share, source, target))
        write_out = partial(freezing.write_out, mount_point(folder))
        if not can_share:
            # What is still in memory would be left to copy while nothing may be written.
            await self._in_thread(progress, write_out)
            await self._in_thread(progress, partial(copying.copy, source, target, progress))
        await self._in_thread(progress, write_out)
        async with lock, freezing.frozen(folder):
            if can_share:
                await self._in_thread(progress, partial(copying.share, source, target))
            else:
                # It may have grown since its room was held.
                await self._in_thread(progress, lambda: self._room.hold(held, written(image_of(folder))))
                await self._in_thread(progress, partial(copying.mend, source, target, progress))

    async def _copy_block(self, folder: Path, source: int, target: int, progress: Progress) -> None:
        file = image_of(folder)
        is_used = bool(await self._in_thread(progress, partial(loops.devices, file)))
        await self._in_thread(progress, partial(loops.write_back, file))
        if await self._in_thread(progress, partial(copying.share, source, target)):
            return
        if is_used:
            raise Conflict(
                f"volume {folder.name} is a block device that a pod has, and the disk of {folder.parent} cannot copy it in one moment "
                "(it has no reflinks); end the pod first"
            )
        await self._in_thread(progress, partial(copying.copy, source, target, progress))

    async def _in_thread(self, progress: Progress, call: Callable[[], T]) -> T:
        """Whoever is cancelled has the thread stop and waits for it: it uses what is closed afterwards."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            progress.stop.set()
            await asyncio.wait([future])
            raise
        return future.result()


def _copy(source: int, target: int, progress: Progress) -> None:
    if not copying.share(source, target):
        copying.copy(source, target, progress)
