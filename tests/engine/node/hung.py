"""A mount that never answers: a file system in user space whose server does nothing."""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.files.mountpoints import unmount

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def hung(where: Path) -> Iterator[None]:
    """At the end all who wait for it get an error."""
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no file systems in user space here: {error}")
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
        if _libc.mount(b"hung", os.fsencode(where), b"fuse", 0, options) != 0:
            pytest.skip(f"no file systems in user space here: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            os.close(server)
            server = -1
            unmount(where)
    finally:
        if server >= 0:
            os.close(server)
