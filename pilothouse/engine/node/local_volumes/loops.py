"""Loop devices: which of them hold a file, and those that are kept for a block volume.

A device is a file's when the kernel says that it holds that very inode, never because of a path or a number: both may have become
somebody else's. What is done to a device is done through the descriptor by which it was recognised. Blocking: called in a thread.
Source: Linux include/uapi/linux/loop.h.
"""

import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pilothouse.engine.node.files.beneath import opened

CONTROL = Path("/dev/loop-control")
_SET_FD, _CLR_FD, _GET_STATUS64, _SET_CAPACITY, _CTL_GET_FREE = 0x4C00, 0x4C01, 0x4C05, 0x4C07, 0x4C82
_STATUS = struct.Struct("=5Q4I64s64s32s2Q")
"""struct loop_info64; it begins with the device and the inode of the backing file."""
_FILE_NAME = 9
_TRIES = 64
"""Another program may take the free device that the kernel has named."""
_BLOCK_DEVICES = Path("/sys/block")
_DEVICES = Path("/dev")
_turn = threading.Lock()
"""Two devices of one file would each keep what is written to them from the other."""


def devices(file: Path) -> list[Path]:
    """The loop devices that hold the file, by number; as long as there is one, somebody uses it. A file that is not there has none."""
    found = []
    with suppress(FileNotFoundError):
        wanted = file.stat()
        for backing in _BLOCK_DEVICES.glob("loop*/loop/backing_file"):
            device = _DEVICES / backing.parent.parent.name
            if _is_of(device, backing, file, wanted):
                found.append(device)
    return sorted(found, key=lambda each: (len(each.name), each.name))


def _is_of(device: Path, backing: Path, file: Path, wanted: os.stat_result) -> bool:
    try:
        with opened(os.open(device, os.O_RDONLY | os.O_CLOEXEC)) as found:
            return _holds(found, wanted)
    except OSError:
        # A device that cannot be asked: rather taken for the file's than given away.
        with suppress(OSError):
            return backing.read_text().rstrip("\n").removesuffix(" (deleted)") == str(file.resolve())
    return False


def _holds(device: int, wanted: os.stat_result) -> bool:
    """Whether an open device holds that file. Raises OSError other than for a device that holds none."""
    try:
        said = fcntl.ioctl(device, _GET_STATUS64, bytes(_STATUS.size))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return False
        raise
    backing_device, inode, *_ = _STATUS.unpack(said)
    return (backing_device, inode) == (wanted.st_dev, wanted.st_ino)


@contextmanager
def _held(device: Path, file: Path, flags: int) -> Iterator[int | None]:
    """The open device while it surely holds the file; None when it does not any more."""
    with opened(os.open(device, flags | os.O_CLOEXEC)) as found:
        yield found if _holds(found, file.stat()) else None


def attach(file: Path) -> Path:
    """A device of the file, the one that it has or a new one; it stays until it is detached. Raises OSError."""
    with _turn:
        return next(iter(devices(file)), None) or _attach(file)


def _attach(file: Path) -> Path:
    with opened(os.open(file, os.O_RDWR | os.O_CLOEXEC)) as backing, opened(os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)) as control:
        for _ in range(_TRIES):
            device = _DEVICES / f"loop{fcntl.ioctl(control, _CTL_GET_FREE)}"
            if _takes(device, backing):
                return device
    raise OSError(errno.EBUSY, "no loop device is free")


def _takes(device: Path, backing: int) -> bool:
    """False: somebody else was quicker. Raises OSError."""
    with opened(os.open(device, os.O_RDWR | os.O_CLOEXEC)) as free:
        try:
            fcntl.ioctl(free, _SET_FD, backing)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return False
            raise
    return True


def detach(file: Path) -> None:
    """Takes the file from its devices; one that is still open somewhere lets go of it with its last user. Raises OSError."""
    for device in devices(file):
        with _held(device, file, os.O_RDONLY) as found:
            if found is not None:
                fcntl.ioctl(found, _CLR_FD)


def detach_own(file: Path) -> None:
    """The same for a file that others may have attached, too: of its devices only those that were made by `attach`. Raises OSError.

    losetup and mount note the file's name in theirs; `attach` notes none.
    """
    for device in devices(file):
        with _held(device, file, os.O_RDONLY) as found:
            if found is not None and not _file_name(found):
                fcntl.ioctl(found, _CLR_FD)


def _file_name(device: int) -> bytes:
    """Raises OSError."""
    name: bytes = _STATUS.unpack(fcntl.ioctl(device, _GET_STATUS64, bytes(_STATUS.size)))[_FILE_NAME]
    return name.rstrip(b"\0")


def show_size(file: Path) -> list[Path]:
    """Has its devices become as large as the file has become. Returns them. Raises OSError."""
    grown = []
    for device in devices(file):
        with _held(device, file, os.O_RDWR) as found:
            if found is not None:
                fcntl.ioctl(found, _SET_CAPACITY)
                grown.append(device)
    return grown


def write_back(file: Path) -> None:
    """What was written to its devices is in the file afterwards. Raises OSError."""
    for device in devices(file):
        with _held(device, file, os.O_RDWR) as found:
            if found is not None:
                os.fsync(found)
