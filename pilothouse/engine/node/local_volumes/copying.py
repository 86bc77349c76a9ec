"""Copies of large sparse files: shared with the source where the file system can (reflink), else byte for byte without the holes.

A source that is written to meanwhile is copied twice: as a whole while it is used, and then, held still, only where the copy differs.
Blocking: called in a thread; another one may have the copy given up.
"""

import ctypes
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

_FICLONE = 0x40049409
_KEEP_SIZE, _PUNCH_HOLE = 0x01, 0x02
_CANNOT_SHARE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
PIECE_BYTES = 4 << 20
FLUSH_BYTES = 64 << 20
"""So much is left to the disk at a time: who else writes to it does not wait behind the whole copy."""
_libc = ctypes.CDLL(None, use_errno=True)


class GivenUp(Exception):
    """The copy was stopped by another thread."""


@dataclass(slots=True)
class Progress:
    """copied_bytes: looked at so far, in the last pass. stop: set by who wants the copy given up."""

    copied_bytes: int = 0
    stop: threading.Event = field(default_factory=threading.Event)


def share(source: int, target: int) -> bool:
    """The target becomes the source as it is in this moment, at once. False where the file system cannot. Raises OSError."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _CANNOT_SHARE:
            return False
        raise
    return True


def copy(source: int, target: int, progress: Progress) -> None:
    """Everything that is no hole; the target is as large as the source then. Raises OSError, GivenUp."""
    progress.copied_bytes = 0
    os.ftruncate(target, os.fstat(source).st_size)
    unflushed = 0
    for offset, length in _pieces(source):
        _write(target, os.pread(source, length, offset), offset)
        _step(progress, length)
        unflushed += length
        if unflushed >= FLUSH_BYTES:
            os.fdatasync(target)
            unflushed = 0


def mend(source: int, target: int, progress: Progress) -> int:
    """Makes an older copy equal to the source; how many bytes were in pieces that differed. Raises OSError, GivenUp."""
    progress.copied_bytes = differed = 0
    size_bytes, end = os.fstat(source).st_size, 0
    os.ftruncate(target, size_bytes)
    for offset, length in _pieces(source):
        _punch(target, end, offset - end)
        end = offset + length
        content = os.pread(source, length, offset)
        if os.pread(target, length, offset) != content:
            _write(target, content, offset)
            differed += length
        _step(progress, length)
    _punch(target, end, size_bytes - end)
    return differed


def _pieces(source: int) -> Iterator[tuple[int, int]]:
    """Where the file has data, in its order: (offset, length)."""
    size_bytes, end = os.fstat(source).st_size, 0
    while end < size_bytes:
        try:
            begin = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # There is none after this.
                return
            raise
        end = os.lseek(source, begin, os.SEEK_HOLE)
        for offset in range(begin, end, PIECE_BYTES):
            yield offset, min(PIECE_BYTES, end - offset)


def _write(target: int, content: bytes, offset: int) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(target, content[done:] if done else content, offset + done)


def _punch(target: int, offset: int, length: int) -> None:
    if length <= 0:
        return
    if _libc.fallocate(target, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_long(offset), ctypes.c_long(length)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _step(progress: Progress, length: int) -> None:
    progress.copied_bytes += length
    if progress.stop.is_set():
        raise GivenUp
