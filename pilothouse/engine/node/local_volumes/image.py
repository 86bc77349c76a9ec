"""A file system of its own in a sparse file: what is written to it never takes more of the disk than the file's size.

The loop device goes by itself with the last mount (autoclear), so that nothing is left behind by an agent that is killed.
It is ext4, or XFS where that alone can grow while it is mounted (`xfs`).
Programs: mkfs.ext4, resize2fs, e2fsck (e2fsprogs), mount, flock (util-linux), each with fixed words and paths of our own.
"""

import asyncio
import contextlib
import os
from pathlib import Path

from pilothouse.engine.node.files import durable
from pilothouse.engine.node.host.capabilities import has_capability
from pilothouse.engine.node.local_volumes import loops, programs, xfs
from pilothouse.engine.node.local_volumes.programs import call

PROGRAMS = ("mkfs.ext4", "resize2fs", "e2fsck", "mount", "flock")
LEAST_BYTES = 4 * 1024 * 1024
"""Of a volume: below that, a file system is mostly its own books."""
UNIT_BYTES = 4096
_CAP_SYS_RESOURCE = 24


def missing() -> str:
    """What this machine lacks for such file systems, as a sentence; "" for nothing."""
    if absent := programs.missing(PROGRAMS):
        return f"{', '.join(absent)} cannot be found: install e2fsprogs and util-linux"
    if not loops.CONTROL.exists():
        return "there are no loop devices: load the kernel module loop"
    return "" if os.geteuid() == 0 else "only root can mount file systems"


def rounded(size_bytes: int) -> int:
    """How large a volume becomes that is to hold so much."""
    return max(LEAST_BYTES, -(-size_bytes // UNIT_BYTES) * UNIT_BYTES)


def fresh_of(image: Path) -> Path:
    """Where it is made."""
    return image.with_suffix(".new")


async def make(image: Path, size_bytes: int) -> None:
    """An empty file system; `image` appears when it is complete. Raises OSError, ProcessFailed, ProcessTimeout."""
    fresh = fresh_of(image)
    await asyncio.to_thread(_sparse, fresh, size_bytes)
    if await asyncio.to_thread(_is_to_be_xfs, size_bytes):
        await xfs.make(fresh)
    else:
        # Nothing is kept back for root: a container that runs as root would have more room than another.
        await call(("mkfs.ext4", "-q", "-F", "-m", "0", fresh))
    await asyncio.to_thread(keep, fresh, image)


def _is_to_be_xfs(size_bytes: int) -> bool:
    """What is too small for it stays ext4, and grows when nobody has it."""
    return size_bytes >= xfs.LEAST_BYTES and not can_grow_mounted() and xfs.is_usable()


def make_bare(image: Path, size_bytes: int) -> None:
    """Without a file system. Blocking. Raises OSError."""
    fresh = fresh_of(image)
    _sparse(fresh, size_bytes)
    keep(fresh, image)


def _sparse(path: Path, size_bytes: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.truncate(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def keep(fresh: Path, image: Path) -> None:
    """The file gets its name once it is on the disk, and the name is there after a crash. Blocking. Raises OSError."""
    _to_disk(fresh, os.O_RDWR)
    fresh.replace(image)
    _to_disk(image.parent, os.O_RDONLY | os.O_DIRECTORY)


def _to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def attach(image: Path, target: Path) -> None:
    """Raises OSError, ProcessFailed, ProcessTimeout."""
    await asyncio.to_thread(target.mkdir, mode=0o755, exist_ok=True)
    kind, more = ("xfs", (xfs.MOUNT_OPTIONS,)) if await asyncio.to_thread(xfs.is_in, image) else ("ext4", ())
    # What is deleted inside is given back to the disk.
    await call(("mount", "-t", kind, "-o", ",".join(("loop", "nodev", "discard", *more)), image, target))


async def grow_mounted(image: Path, point: Path) -> None:
    """The file system, mounted at `point`, takes the whole of its file while it is used. Raises OSError, ProcessFailed, ProcessTimeout."""
    if await asyncio.to_thread(xfs.is_in, image):
        await xfs.grow(image, point)
        return
    for device in await asyncio.to_thread(loops.show_size, image):
        await call(("resize2fs", device))


def can_grow_mounted() -> bool:
    """An ext4: the kernel lets only who has CAP_SYS_RESOURCE do it. Blocking."""
    return has_capability(_CAP_SYS_RESOURCE)


async def grow_idle(image: Path) -> None:
    """The same while it is mounted nowhere, after a check: resize2fs asks for one. Raises OSError, ProcessFailed.

    There is no limit to the time: a check reads all of the file system, and what is cut off begins anew.
    What a resize2fs leaves that was killed is mended without loss, but e2fsck does that only when it may mend everything: a mark beside
    the file says when it may.
    """
    is_cut_off = await asyncio.to_thread(was_cut, image)
    await _alone(image, "e2fsck", "-f", "-y" if is_cut_off else "-p", image, fine=(0, 1))
    await asyncio.to_thread(durable.write, _mark(image), b"")
    await _alone(image, "resize2fs", image)
    await asyncio.to_thread(_mark(image).unlink)


def was_cut(image: Path) -> bool:
    """Whether `grow_idle` was killed in the middle: it must not be mounted before that is done again. Blocking."""
    return _mark(image).exists()


def _mark(image: Path) -> Path:
    return image.with_suffix(".growing")


async def _alone(image: Path, *words: str | Path, fine: tuple[int, ...] = (0,)) -> None:
    """Once a program that has outlived an agent that was killed is done with the file."""
    await call(("flock", image, *words), fine, timeout_s=None)
