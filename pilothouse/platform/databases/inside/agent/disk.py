"""Room on the volume. A server that runs out of it may end while it takes a transaction back, and then needs room to start.

So writes are refused before the volume is full, and a file of some MiB is kept that goes when a server must start on a full volume.
"""

import os
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
_MOST_BALLAST = 64 * MIB
_LEAST_FREE = 32 * MIB


@dataclass(frozen=True, slots=True)
class Disk:
    """In bytes."""

    size: int
    free: int

    @property
    def ballast(self) -> int:
        """How large the file is to be."""
        return min(_MOST_BALLAST, self.size // 16)

    @property
    def least_free(self) -> int:
        """With less than that writes are refused."""
        return min(max(_LEAST_FREE, self.size // 50), self.size // 8)

    @property
    def is_nearly_full(self) -> bool:
        """A server can fill what is left in a second: it is looked at more often."""
        return self.free < 8 * self.least_free

    def is_full(self, before: bool) -> bool:
        """before: whether it was at the last look: it is no longer when there is twice the room that it needs."""
        return self.free < (2 if before else 1) * self.least_free


def measure(folder: Path) -> Disk:
    found = os.statvfs(folder)
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


def sentence(disk: Disk, instance: str) -> str:
    room = f"{disk.free // MIB} MiB of {disk.size // MIB} MiB are free"
    return f"{full(instance)}; it takes no writes until then, {room}"


def full(instance: str) -> str:
    """With the way out, which needs no statement: an account cannot delete anything where nothing is written."""
    return f"the volume is full: ph mysql resize {instance} --size SIZE makes it larger while it is in use"


class Ballast:
    def __init__(self, file: Path) -> None:
        self._file = file

    def keep(self, disk: Disk) -> None:
        """Makes the file where there is plenty of room. Raises OSError."""
        if disk.free < 4 * disk.ballast or self._file.exists():
            return
        new = self._file.with_name(".ballast.new")
        with new.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.ballast)
        new.rename(self._file)

    def drop(self, disk: Disk) -> None:
        """Where a server would not start for want of room."""
        if disk.free < disk.ballast:
            self._file.unlink(missing_ok=True)
