"""Copies of mounted trees: cloned while nobody sees them, given their attributes, and put in place in one step.

A copy that were bound first and changed then would for a moment share mounts with its original: an agent killed in between would leave
a copy whose removal unmounts the original's. Needs Linux 5.12. Blocking: called in a thread.
"""

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _EMPTY_PATH, _RECURSIVE, _FROM_DESCRIPTOR = 0x1, 0x1000, 0x8000, 0x4
_READ_ONLY, _SHIFTED, _PRIVATE, _SLAVE, _HERE = 0x1, 0x00100000, 1 << 18, 1 << 19, -100
_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")]


def copy(source: int, target: Path, *, read_only: bool = False, users: int = -1, follows: bool = False) -> None:
    """What is open as `source` appears at `target` with all that is mounted below it. Raises OSError.

    read_only: nothing of it can be written to. users: an open user namespace, which sees the ids of the file system itself (without
    what is mounted below) as its own. follows: what is mounted in the original later appears in the copy, too.
    """
    with _cloned(source) as tree:
        _set(tree, _Attributes(set=_READ_ONLY if read_only else 0, propagation=_SLAVE if follows else _PRIVATE), _RECURSIVE)
        if users >= 0:
            _set(tree, _Attributes(set=_SHIFTED, user_namespace=users), 0)
        _call(_MOVE_MOUNT, tree, b"", _HERE, os.fsencode(target), ctypes.c_uint(_FROM_DESCRIPTOR))


def _set(tree: int, attributes: _Attributes, flags: int) -> None:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _call(_MOUNT_SETATTR, tree, b"", ctypes.c_uint(_EMPTY_PATH | flags), ctypes.byref(attributes), size)


@contextlib.contextmanager
def _cloned(source: int) -> Iterator[int]:
    """A copy of the tree that no path leads to; it is gone at the end of the block unless it was put somewhere."""
    tree = _call(_OPEN_TREE, source, b"", ctypes.c_uint(_CLONE | os.O_CLOEXEC | _EMPTY_PATH | _RECURSIVE))
    try:
        yield tree
    finally:
        os.close(tree)


def _call(number: int, *arguments: object) -> int:
    found = _libc.syscall(number, *arguments)
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, "Linux before 5.12 cannot do it" if code == errno.ENOSYS else os.strerror(code))
    return int(found)
