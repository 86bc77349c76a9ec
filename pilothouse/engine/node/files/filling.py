"""A new folder of a volume as a copy of a folder of an image, as Docker fills an empty volume: content, owners, modes, links.

The copy is made beside its place, written to the disk and then put there in one step: what is there is whole, whenever the agent is killed.
Both trees are walked by descriptors that follow no link; the volume may be somebody else's as well, who changes it meanwhile. Devices,
sockets and pipes are left out. What the image's folder has of root becomes the volume's: its group may write there. Blocking: called in a
thread.
"""

import contextlib
import ctypes
import errno
import os
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.engine.node.files.beneath import FOLDER, IN_ROOT, open_beneath, opened
from pilothouse.engine.node.files.removal import remove_entry

UNFINISHED = ".pilothouse-filling"
_PIECE = 1 << 20
_DEEPEST = 100
"""Each level holds two descriptors."""
_CAPABILITY = "security.capability"
_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """The copy is not wanted any more."""


def fill(image: int, path: str, volume: int, name: str, stop: threading.Event) -> bool:
    """image: an open folder, the root of the image. path: a folder inside it. volume: an open folder. name: of the new folder in it.

    Returns whether it was made; not where the image has no such folder, or the volume has something of that name. Raises OSError, Stopped.
    """
    if _is_there(volume, name):
        return False
    try:
        source = open_beneath(image, path.strip("/") or ".", FOLDER, resolve=IN_ROOT)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise
    with opened(source):
        _copied(source, volume, name, stop)
    return True


def _is_there(volume: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=volume, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copied(source: int, volume: int, name: str, stop: threading.Event) -> None:
    remove_entry(volume, UNFINISHED)
    try:
        with opened(_new_folder(volume, UNFINISHED)) as made:
            _Copy(stop).run(source, made)
            _as_volume_or_image(os.fstat(source), os.fstat(volume), made)
            if _libc.syncfs(made) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        os.rename(UNFINISHED, name, src_dir_fd=volume, dst_dir_fd=volume)
    except BaseException:
        remove_entry(volume, UNFINISHED)
        raise


def _as_volume_or_image(image: os.stat_result, volume: os.stat_result, made: int) -> None:
    like = image if image.st_uid else volume
    os.fchown(made, image.st_uid, like.st_gid)
    os.fchmod(made, stat.S_IMODE(like.st_mode))


def _new_folder(parent: int, name: str) -> int:
    os.mkdir(name, 0o700, dir_fd=parent)
    return open_beneath(parent, name, FOLDER)


@dataclass(frozen=True, slots=True)
class _Copy:
    stop: threading.Event

    def run(self, source: int, target: int, depth: int = 0) -> None:
        """All that is in one open folder, into another."""
        if depth > _DEEPEST:
            raise OSError(errno.ELOOP, f"folders are more than {_DEEPEST} deep")
        for name in os.listdir(source):
            if self.stop.is_set():
                raise Stopped
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
            elif stat.S_ISDIR(found.st_mode):
                self._folder(source, target, name, found, depth)
            elif stat.S_ISREG(found.st_mode):
                self._file(source, target, name, found)

    def _folder(self, source: int, target: int, name: str, found: os.stat_result, depth: int) -> None:
        with opened(open_beneath(source, name, FOLDER)) as inner, opened(_new_folder(target, name)) as made:
            self.run(inner, made, depth + 1)
            _give(made, found)

    def _file(self, source: int, target: int, name: str, found: os.stat_result) -> None:
        with opened(open_beneath(source, name, os.O_RDONLY)) as old, _new_file(target, name) as new:
            while piece := os.read(old, _PIECE):
                if self.stop.is_set():
                    raise Stopped
                _write(new, piece)
            _give(new, found)
            # After the owner, whose change takes them away.
            with contextlib.suppress(OSError):
                os.setxattr(new, _CAPABILITY, os.getxattr(old, _CAPABILITY))


@contextlib.contextmanager
def _new_file(parent: int, name: str) -> Iterator[int]:
    with opened(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=parent)) as made:
        yield made


def _write(descriptor: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]


def _give(descriptor: int, found: os.stat_result) -> None:
    os.fchown(descriptor, found.st_uid, found.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
    os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
