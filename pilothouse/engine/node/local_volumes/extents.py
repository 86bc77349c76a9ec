"""Which parts of a file share their place on the disk with other files: to write them over takes new room.

Blocking: called in a thread. Source: Linux Documentation/filesystems/fiemap.rst.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from pilothouse.engine.node.files.beneath import opened
from pilothouse.engine.node.local_volumes import copying

_FIEMAP = 0xC020660B
_HEAD = struct.Struct("=2Q4I")
"""struct fiemap: begin, length; flags, extents found, room for extents, reserved."""
_EXTENT = struct.Struct("=3Q2Q4I")
"""struct fiemap_extent: place in the file, place on the disk, length; reserved; flags, reserved."""
_LAST, _SHARED = 0x0001, 0x2000
AT_A_TIME = 512
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EBADR)


def can_share(folder: Path) -> bool:
    """Whether files of the folder can share their content. Raises OSError."""
    try:
        descriptors = [os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600) for _ in range(2)]
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
            return False
        raise
    with opened(descriptors[0]) as source, opened(descriptors[1]) as target:
        return copying.share(source, target)


def shared_bytes(file: Path) -> int:
    """How much of the file others have, too; 0 where the file system does not tell. Raises OSError."""
    with opened(os.open(file, os.O_RDONLY | os.O_CLOEXEC)) as found:
        try:
            return sum(length for length, flags in _extents(found) if flags & _SHARED)
        except OSError as error:
            if error.errno in _CANNOT:
                return 0
            raise


def _extents(file: int) -> Iterator[tuple[int, int]]:
    """Length and flags of each."""
    begin = 0
    while True:
        asked = bytearray(_HEAD.pack(begin, (1 << 63) - 1 - begin, 0, 0, AT_A_TIME, 0)) + bytes(AT_A_TIME * _EXTENT.size)
        fcntl.ioctl(file, _FIEMAP, asked)
        count = _HEAD.unpack_from(asked)[3]
        for number in range(count):
            offset, _, length, _, _, flags, *_ = _EXTENT.unpack_from(asked, _HEAD.size + number * _EXTENT.size)
            yield length, flags
            if flags & _LAST:
                return
            begin = offset + length
        if not count:
            return
