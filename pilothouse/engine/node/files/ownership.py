"""Gives what lies in a volume to the group of a pod, by descriptors: no link is followed, no mount point entered.

Source: kubernetes pkg/volume/volume_linux.go (SetVolumeOwnership). Blocking: called in a thread.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from pilothouse.engine.node.files.beneath import BENEATH, FOLDER, NO_CROSSING, NO_LINKS, open_beneath, opened

_FILE, _READ_ONLY_FILE, _ENTERED = 0o660, 0o440, stat.S_ISGID | 0o110
_INSIDE = BENEATH | NO_LINKS | NO_CROSSING
_NOT_OURS = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EXDEV)


def give_to_group(root: int, group: int, *, unless_root_is: bool = False, read_only: bool = False) -> None:
    """root: an open folder, which comes last: what was interrupted shows by it. Raises OSError.

    unless_root_is: nothing is to be done where the folder itself is the group's already.
    """
    bits = _READ_ONLY_FILE if read_only else _FILE
    if unless_root_is and _is_given(os.fstat(root), group, bits | _ENTERED):
        return
    left = _give_entries(root, "", group, bits)
    while left:
        path = left.pop()
        with _if_ours(), opened(open_beneath(root, path, FOLDER, resolve=_INSIDE)) as folder:
            left += _give_entries(folder, path, group, bits)
            _give(folder, group, bits | _ENTERED)
    _give(root, group, bits | _ENTERED)


@contextlib.contextmanager
def _if_ours() -> Iterator[None]:
    """What has gone meanwhile, has become a link or is a file system of its own is left alone."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NOT_OURS:
            raise


def _give_entries(folder: int, path: str, group: int, bits: int) -> list[str]:
    """Returns the paths of the folder's folders."""
    below = []
    for name in os.listdir(folder):
        with _if_ours():
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                below.append(f"{path}/{name}" if path else name)
            elif not stat.S_ISLNK(found.st_mode):
                with opened(open_beneath(folder, name, os.O_PATH | os.O_NOFOLLOW, resolve=_INSIDE)) as file:
                    _give(file, group, bits)
    return below


def _give(descriptor: int, group: int, bits: int) -> None:
    found = os.fstat(descriptor)
    if stat.S_ISLNK(found.st_mode) or _is_given(found, group, bits):
        return
    # A descriptor that cannot be read or written to is changed by its name in /proc, which leads to it alone.
    path = f"/proc/self/fd/{descriptor}"
    os.chown(path, -1, group)
    os.chmod(path, stat.S_IMODE(found.st_mode) | bits)


def _is_given(found: os.stat_result, group: int, bits: int) -> bool:
    return found.st_gid == group and found.st_mode & bits == bits
