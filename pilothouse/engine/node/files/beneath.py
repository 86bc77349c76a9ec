"""openat2(2): opens a path below a folder in one step of the kernel, so that nobody can swap a part of it in between.

Needs Linux 5.6. Blocking: called in a thread. The caller closes what it is given.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator

NO_CROSSING, NO_MAGIC_LINKS, NO_LINKS, BENEATH = 0x01, 0x02, 0x04, 0x08
"""RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH."""
IN_ROOT = 0x10
"""RESOLVE_IN_ROOT: the open folder is `/` to links, as it is to a program inside."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPENAT2 = 437
_TRIES = 128
"""The kernel answers EAGAIN while somebody renames on the way; a peer that never stops must not hold us for ever."""
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_beneath(folder: int, path: str, flags: int, *, mode: int = 0, resolve: int = BENEATH | NO_LINKS) -> int:
    """A descriptor of `path` below the open `folder`. Raises OSError: EXDEV when it leads out, ELOOP for a link that is not allowed."""
    how = _How(flags | os.O_CLOEXEC, mode, resolve | NO_MAGIC_LINKS)
    for _ in range(_TRIES):
        found = _libc.syscall(_OPENAT2, folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
        if found >= 0:
            return int(found)
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            raise OSError(number, os.strerror(number), path)
    raise OSError(errno.EAGAIN, "changed again and again while it was opened", path)


@contextlib.contextmanager
def opened(descriptor: int) -> Iterator[int]:
    """Closes the descriptor at the end of the block."""
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def subfolder(parent: int, name: str, *, mode: int = 0o755) -> int:
    """The folder `name` in an open one, made when absent; never through a link."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
    return open_beneath(parent, name, FOLDER)
