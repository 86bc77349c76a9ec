"""Mount points: binding an open file to a path, memory file systems, what is mounted where. Blocking: called in a thread."""

import ctypes
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_RECURSIVE, MS_SHARED = 1, 2, 4, 8, 4096, 16384, 1 << 20
MNT_DETACH, UMOUNT_NOFOLLOW = 2, 8
MOST_LAYERS = 64
_ESCAPE = re.compile(rb"\\([0-7]{3})")
_libc = ctypes.CDLL(None, use_errno=True)


def bind(descriptor: int, target: Path) -> None:
    """What is open as `descriptor` appears at `target`, whatever its path has become meanwhile. Raises OSError."""
    _mount(f"/proc/self/fd/{descriptor}".encode(), target, None, MS_BIND, None)


def is_shared(folder: Path) -> bool:
    """Whether what is mounted below the folder appears in copies of its mount."""
    return _mount_of(folder)[1]


def is_bound(folder: Path) -> bool:
    """Whether a mount of its own begins at the folder."""
    return _mount_of(folder)[0] == str(folder.resolve())


def share(folder: Path) -> None:
    """What is mounted in a mount point, or below it, appears in its copies, and the other way round. Raises OSError."""
    _mount(b"none", folder, None, MS_SHARED | MS_RECURSIVE, None)


def _mount_of(folder: Path) -> tuple[str, bool]:
    """The mount point that a folder lies below, and whether that is shared. Source: proc(5), /proc/PID/mountinfo."""
    path, found, is_shared = os.fsencode(folder.resolve()), b"", False
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields = line.split(b" ")
        point = _plain(fields[4])
        # Of several at one point the last covers the others.
        if len(point) >= len(found) and (path == point or path.startswith(point.rstrip(b"/") + b"/")):
            found, is_shared = point, any(each.startswith(b"shared:") for each in fields[6 : fields.index(b"-")])
    return os.fsdecode(found), is_shared


def mount_memory(target: Path, options: str, name: str = "tmpfs") -> None:
    """A tmpfs. options: as mount(8) takes them (`mode=711,size=1048576`). name: shown in lists of mounts. Raises OSError."""
    _mount(name.encode(), target, b"tmpfs", 0, options.encode())


def mount_overlay(layers: Sequence[str], target: Path) -> None:
    """Folders of nobody's, the uppermost first, as one; nothing in it can be written or run. Raises OSError."""
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    _mount(b"overlay", target, b"overlay", flags, f"lowerdir={':'.join(layers)}".encode())


def _mount(source: bytes, target: Path, kind: bytes | None, flags: int, options: bytes | None) -> None:
    if _libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


def unmount(target: Path | str) -> None:
    """Everything that is mounted at `target`, one upon the other; users of it keep it until they end. Raises OSError."""
    for _ in range(MOST_LAYERS):
        if _libc.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW) == 0:
            continue
        number = ctypes.get_errno()
        if number in (errno.EINVAL, errno.ENOENT):
            return
        raise OSError(number, os.strerror(number), str(target))
    raise OSError(errno.EBUSY, f"more than {MOST_LAYERS} mounts upon each other", str(target))


def unmount_open(descriptor: int) -> None:
    """The mount that is open, though another may lie upon it; users of it keep it until they end. Raises OSError."""
    if _libc.umount2(f"/proc/self/fd/{descriptor}".encode(), MNT_DETACH) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def unmount_idle(target: Path) -> None:
    """What is mounted at `target`, unless somebody still uses it there. Raises OSError: EBUSY in that case."""
    if _libc.umount2(os.fsencode(target), UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):
            raise OSError(number, os.strerror(number), str(target))


def mounts_of(device: str) -> list[str]:
    """Where a file system is mounted in this mount namespace. device: "major:minor"."""
    fields = [line.split(b" ") for line in Path("/proc/self/mountinfo").read_bytes().splitlines()]
    return [os.fsdecode(_plain(each[4])) for each in fields if each[2] == device.encode()]


def device_of(folder: Path) -> str:
    """ "major:minor" of the file system that a path lies on. Raises OSError."""
    found = os.stat(folder).st_dev
    return f"{os.major(found)}:{os.minor(found)}"


def mounts_below(folder: Path) -> list[str]:
    """Mount points at or below a folder, innermost first. Links in the folder's own path are followed, as the kernel lists them.

    What is mounted there is not looked at: a server that is away would hold that up.
    """
    points = {_plain(line.split(b" ")[4]) for line in Path("/proc/self/mountinfo").read_bytes().splitlines()}
    prefix = os.fsencode(folder.parent.resolve() / folder.name)
    if prefix not in points:
        prefix = os.fsencode(folder.resolve())
    found = [os.fsdecode(point) for point in points if point == prefix or point.startswith(prefix + b"/")]
    return sorted(found, key=len, reverse=True)


def is_mount_point(path: Path) -> bool:
    """As the kernel lists it, without a look at what is mounted there: a server that is away would hold that up."""
    wanted = os.fsencode(path.parent.resolve() / path.name)
    return any(_plain(line.split(b" ")[4]) == wanted for line in Path("/proc/self/mountinfo").read_bytes().splitlines())


def _plain(escaped: bytes) -> bytes:
    """The kernel writes blanks, tabs, line ends and backslashes as three octal digits, all other bytes as they are."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), escaped)


def is_mounted(folder: Path) -> bool:
    """Whether a file system of its own begins here; a folder that is bound from the same one does not count."""
    return os.path.ismount(folder)
