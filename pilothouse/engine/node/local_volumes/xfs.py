"""XFS in the file of a volume: it grows while it is mounted on machines whose kernel lets nobody do that with ext4.

To grow a mounted ext4 the kernel asks for CAP_SYS_RESOURCE, for an XFS only for CAP_SYS_ADMIN, which mounting needs anyway. Which of the
two a file has is read from the file. Blocking, but for `make` and `grow`. Source: Linux fs/ext4/ioctl.c, fs/xfs/xfs_ioctl.c; mkfs.xfs(8).
"""

import asyncio
import ctypes
import errno
import os
from functools import cache
from pathlib import Path

from pilothouse.engine.node.local_volumes import loops, programs
from pilothouse.engine.node.local_volumes.programs import call

PROGRAMS = ("mkfs.xfs", "xfs_growfs")
LEAST_BYTES = 300 * 1024 * 1024
"""mkfs.xfs makes no smaller ones: its log alone takes 64 MiB."""
MOUNT_OPTIONS = "nouuid"
"""A copy has the identity of its source, and both may be mounted."""
_MAGIC = b"XFSB"


@cache
def is_usable() -> bool:
    """Whether this machine makes, mounts and grows them."""
    return os.geteuid() == 0 and not programs.missing(PROGRAMS) and _is_known()


def _is_known() -> bool:
    """Whether the kernel knows XFS, or has a module for it: without a device it mounts nothing, and says which of the two it lacks."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount(b"", b"/", b"xfs", ctypes.c_ulong(0), None)
    return ctypes.get_errno() not in (errno.ENODEV, errno.EPERM)


def is_in(image: Path) -> bool:
    """Raises OSError."""
    with image.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


async def make(image: Path) -> None:
    """In a sparse file, which stays sparse. Raises OSError, ProcessFailed, ProcessTimeout."""
    await call(("mkfs.xfs", "-q", "-f", "-K", image))


async def grow(image: Path, point: Path) -> None:
    """The file system, which is mounted at `point`, takes the whole of its file. Raises OSError, ProcessFailed, ProcessTimeout."""
    if await asyncio.to_thread(loops.show_size, image):
        await call(("xfs_growfs", "-d", point))
