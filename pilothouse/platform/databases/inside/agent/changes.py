"""The files of the log of changes (`binlog.NNNNNN`), and which of them may go (pure but for reading their heads).

They go by their age and by the room that they take. Where they are archived, one that holds what is not in the archive yet stays for
longer: until the volume gets full, since a server that writes matters more than an archive without a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.platform.databases.inside.agent.disk import Disk
from pilothouse.platform.databases.inside.agent.gtid import covers
from pilothouse.platform.databases.inside.archive import events
from pilothouse.platform.databases.inside.archive.events import HEADER, MAGIC

KEPT_S = 7 * 86400
LEAST_KEPT = 256 << 20
"""Bytes that are kept in any case, for replicas that were away."""
_LAST = 2
"""So many files stay whatever they take."""
_HEAD_EVENTS = 4
"""The position is told within the first events of a file."""


@dataclass(frozen=True, slots=True)
class Log:
    """path: of the file. age_s: since it was last written to."""

    path: Path
    size: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Room:
    """most: bytes that the files may take. wanting: bytes of the volume that must be got back now."""

    most: int
    wanting: int

    @classmethod
    def of(cls, volume: Disk) -> "Room":
        """A fifth of the volume; what is archived late may have the rest, but for some room to write."""
        reserve = 6 * volume.least_free
        wanting = reserve - volume.free if volume.free < 4 * volume.least_free else 0
        return cls(max(min(LEAST_KEPT, volume.size // 3), volume.size // 5), wanting)


def logs(folder: Path, now_s: float) -> list[Log]:
    """The oldest first."""
    found = []
    for path in sorted(folder.glob("binlog.[0-9]*")):
        said = path.stat()
        found.append(Log(path, said.st_size, now_s - said.st_mtime))
    return found


def first_kept(found: Sequence[Log], room: Room, archived: str | None) -> Log | None:
    """The oldest that stays; None when all do. archived: the position up to which all is in the archive, None where there is no archive."""
    going = max(_too_many(found, room.most), sum(log.age_s > KEPT_S for log in found))
    if archived is not None:
        going = max(_archived(found[: going + 1], archived), _for_room(found, room.wanting))
    going = min(going, max(0, len(found) - _LAST))
    return found[going] if going else None


def begin(path: Path) -> str:
    """The position before a file's first transaction. Raises ValueError for what is no log of changes, OSError."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{path.name} is no log of changes")
        for _ in range(_HEAD_EVENTS):
            head = file.read(HEADER)
            if len(head) < HEADER:
                break
            told = events.begin(events.event(head + file.read(events.size_of(head) - HEADER)))
            if told is not None:
                return told
    raise ValueError(f"{path.name} does not tell its position")


def _archived(found: Sequence[Log], archived: str) -> int:
    """How many are in the archive whole: the next one begins at a position that it has reached."""
    for number in range(len(found) - 1):
        try:
            if not covers(archived, begin(found[number + 1].path)):
                return number
        except (OSError, ValueError):
            return number
    return max(0, len(found) - 1)


def _too_many(found: Sequence[Log], most: int) -> int:
    left, going = sum(log.size for log in found), 0
    while going < len(found) and left > most:
        left -= found[going].size
        going += 1
    return going


def _for_room(found: Sequence[Log], wanting: int) -> int:
    freed, going = 0, 0
    while going < len(found) and freed < wanting:
        freed += found[going].size
        going += 1
    return going
