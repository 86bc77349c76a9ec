"""A segment of the archive: whole transactions in the order of the log, with the moment of each.

A segment's name tells where it belongs: `NUMBER_AFTER_LAST`, positions before and behind it. Its content begins with a document of
its transactions; behind that lies a binary log (compressed) that mariadb-binlog reads.
Where a server fails before a replica has acknowledged a transaction, the archive may hold what its successor does not: then a later
segment begins at an earlier position, and what lay behind that does not count. See `runs`.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilothouse.platform.databases.inside.archive.events import MAGIC

_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Group:
    """One transaction. moment_us: when it was committed, since the epoch, as well as it is known; never less than of the one before."""

    gtid: str
    moment_us: int
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Name:
    number: int
    after: str
    last: str

    @property
    def text(self) -> str:
        return f"{self.number:012d}_{self.after}_{self.last}"

    @classmethod
    def read(cls, text: str) -> "Name | None":
        """None for what no archive of this version has written."""
        words = text.split("_")
        return cls(int(words[0]), words[1], words[2]) if len(words) == 3 and words[0].isdigit() else None


def encode(format_event: bytes, groups: Sequence[Group]) -> bytes:
    told = {"format": len(format_event), "groups": [(each.gtid, each.moment_us, len(each.raw)) for each in groups]}
    head = json.dumps(told, separators=(",", ":")).encode()
    return struct.pack(">I", len(head)) + head + zlib.compress(format_event + b"".join(each.raw for each in groups), _LEVEL)


def decode(data: bytes) -> tuple[bytes, list[Group]]:
    """The log's format event, and the transactions. Raises ValueError for what `encode` has not made."""
    (length,) = struct.unpack_from(">I", data)
    told = json.loads(data[4 : 4 + length])
    rest = zlib.decompress(data[4 + length :])
    at, groups = int(told["format"]), []
    for gtid, moment_us, size in told["groups"]:
        groups.append(Group(gtid, moment_us, rest[at : at + size]))
        at += size
    return rest[: told["format"]], groups


def log(format_event: bytes, groups: Iterable[Group]) -> bytes:
    """A binary log of these transactions."""
    return MAGIC + format_event + b"".join(each.raw for each in groups)
