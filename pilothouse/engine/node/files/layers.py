"""The layers of an image as one folder that nobody can write to. Blocking: called in a thread."""

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from pilothouse.engine.node.files.mountpoints import mount_overlay

_CLONE_FS = 0x200
_libc = ctypes.CDLL(None, use_errno=True)


def mount_layers(layers: Sequence[str], empty: Path, target: Path) -> None:
    """layers: folders, the uppermost first. empty: a folder that stays empty: the kernel takes no single layer. Raises OSError."""
    below = [*layers, str(empty)] if len(layers) == 1 else list(layers)
    common = os.path.commonpath(below)
    relative = [os.path.relpath(each, common) for each in below]
    _in_folder(common, lambda: mount_overlay(relative, target))


def _in_folder(folder: str, work: Callable[[], None]) -> None:
    """In a thread with a working directory of its own: whole paths of many layers would not fit into the page that the kernel reads."""
    failed: list[OSError] = []

    def run() -> None:
        try:
            if _libc.unshare(_CLONE_FS) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code))
            os.chdir(folder)
            work()
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="mount layers")
    thread.start()
    thread.join()
    if failed:
        raise OSError(failed[0].errno or errno.EIO, failed[0].strerror or "cannot be mounted")
