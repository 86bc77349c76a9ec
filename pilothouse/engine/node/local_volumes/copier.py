"""Copies of a volume as it is at one moment, also of one that is mounted and written to.

A mounted file system is held still while it is copied, which takes no time where the disk can share the content of files. Elsewhere it
is copied first while it is used, so that only what has been written since then is left to copy in the time that it is still.
How long that will be is known from the time that the last comparison took: where pods would have to wait too long, they are not made to
wait at all, and the copy is refused for a while. A volume that no pod has may be still for as long as it takes.
A block volume that a pod has cannot be held still: it is copied where that takes no time, and refused elsewhere.
"""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.local_volumes import copying, freezing, loops
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.freezing import NO_LIMIT, NotStill
from pilothouse.engine.node.local_volumes.layout import image_of, mode_of, mount_point, mounted_elsewhere
from pilothouse.engine.node.local_volumes.room import Room, written
from pilothouse.model.errors import Conflict
from pilothouse.model.volumes import BLOCK

AT_ONCE = 2
"""Copies, each with a thread of its own: one that holds a file system still never waits for another's thread."""
SHORT_S = 5.0
"""A comparison that takes no longer than this needs no other one before the file system is held still."""
MOST_PASSES, LITTLE_BYTES = 4, 256 << 20
SHARE_OF_MOST = 0.75
"""How much of the time that a file system may be still its comparison may be expected to take."""
REFUSED_S = 600.0
"""A volume that pods would have to wait for too long is not copied again before that, as long as they have it."""

T = TypeVar("T")


class Copier:
    """room: from which each copy holds what it takes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._threads = ThreadPoolExecutor(AT_ONCE, "volume copy")
        self._refused: dict[str, tuple[float, str]] = {}

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
        if await self._in_thread(progress, partial(copying.share, source, target)):
            await self._in_thread(progress, partial(freezing.write_out, mount_point(folder)))
            async with lock, freezing.frozen(folder, freezing.MOST_S):
                await self._in_thread(progress, partial(copying.share, source, target))
            return
        is_used = await self._is_used(folder, progress)
        if is_used:
            self._check(folder.name)
        need_s = await self._come_close(folder, source, target, held, progress)
        try:
            async with lock:
                await self._finish(folder, source, target, held, need_s, progress)
        except NotStill as error:
            if is_used:
                self._refused[folder.name] = (time.monotonic() + REFUSED_S, str(error))
            raise

    def _check(self, name: str) -> None:
        """Raises NotStill for a volume that has been refused lately."""
        now = time.monotonic()
        self._refused = {each: refusal for each, refusal in self._refused.items() if refusal[0] > now}
        if name in self._refused:
            raise NotStill(self._refused[name][1])

    async def _is_used(self, folder: Path, progress: Progress) -> bool:
        return bool(await self._in_thread(progress, partial(mounted_elsewhere, folder)))

    async def _come_close(self, folder: Path, source: int, target: int, held: str, progress: Progress) -> float:
        """Copies the volume while it is used, until little differs. Returns how many seconds a comparison takes."""
        # What is still in memory would be left to copy while nothing may be written.
        write_out = partial(freezing.write_out, mount_point(folder))
        await self._in_thread(progress, write_out)
        begun = time.monotonic()
        await self._in_thread(progress, partial(copying.copy, source, target, progress))
        need_s, differed = 2 * (time.monotonic() - begun), 1 << 63
        for _ in range(MOST_PASSES):
            await self._in_thread(progress, write_out)
            if need_s <= SHORT_S or not await self._is_used(folder, progress):
                break
            before, begun = differed, time.monotonic()
            differed = await self._mend(folder, source, target, held, progress)
            need_s = time.monotonic() - begun
            if differed <= LITTLE_BYTES or differed > before // 2:
                break
        await self._in_thread(progress, write_out)
        return need_s

    async def _mend(self, folder: Path, source: int, target: int, held: str, progress: Progress) -> int:
        # It may have grown since its room was held.
        await self._in_thread(progress, lambda: self._room.hold(held, written(image_of(folder))))
        return await self._in_thread(progress, partial(copying.mend, source, target, progress))

    async def _finish(self, folder: Path, source: int, target: int, held: str, need_s: float, progress: Progress) -> None:
        """The caller has the volume's lock: no pod gets it meanwhile."""
        is_used = await self._is_used(folder, progress)
        if is_used and need_s > SHARE_OF_MOST * freezing.MOST_S:
            raise NotStill(
                f"its pods would have to wait for longer than {freezing.MOST_S} s while it is compared with its copy, "
                "as its disk has no reflinks; end its pods first"
            )
        async with freezing.frozen(folder, freezing.MOST_S if is_used else NO_LIMIT):
            if not is_used and await self._is_used(folder, progress):
                raise NotStill("a pod has got it in this moment")
            await self._mend(folder, source, target, held, progress)

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
