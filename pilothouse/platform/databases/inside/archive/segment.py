"""A segment of the archive: whole transactions in the order of the log, with the moment of each.

A segment's name tells where it belongs: `NUMBER_AFTER_LAST`, positions before and behind it. It holds one section or more: a document of
its transactions, and behind that a binary log (compressed) that mariadb-binlog reads.
Where a server fails before a replica has acknowledged a transaction, the archive may hold what its successor does not: then a later
segment begins at an earlier position, and what lay behind that does not count. See `runs`.
Segments are merged after a while. `60from1_AFTER_LAST` is in place of those with the numbers 1 to 60, and comes behind the first 59 of
them where names are listed in order: a listing that misses those, since they have gone meanwhile, meets it.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pilothouse.platform.databases.inside.archive.events import MAGIC

_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Group:
    """One transaction. moment_us: when it was committed, since the epoch, as well as it is known; never less than of the one before."""

    gtid: str
    moment_us: int
    raw: bytes = b""


Section = tuple[bytes, list[Group]]
"""The log's format event, and transactions that are in that format."""


@dataclass(frozen=True, slots=True)
class Name:
    """merged_from: the first number of those that it was made of; 0 for a segment as it was written."""

    number: int
    after: str
    last: str
    merged_from: int = 0

    @property
    def first(self) -> int:
        return self.merged_from or self.number

    @property
    def span(self) -> int:
        """Of how many it is in place."""
        return self.number - self.first + 1

    @property
    def text(self) -> str:
        of = f"from{self.merged_from:012d}" if self.merged_from else ""
        return f"{self.number:012d}{of}_{self.after}_{self.last}"

    @classmethod
    def read(cls, text: str) -> "Name | None":
        """None for what no archive of this version has written."""
        found = _NAME.fullmatch(text)
        return cls(int(found[1]), found[3], found[4], int(found[2] or 0)) if found else None


_NAME = re.compile(r"(\d+)(?:from(\d+))?_([^_]*)_([^_]*)")


def encode(format_event: bytes, groups: Sequence[Group]) -> bytes:
    """A section."""
    packed = zlib.compressobj(_LEVEL)
    body = b"".join([packed.compress(format_event), *(packed.compress(each.raw) for each in groups), packed.flush()])
    told = {"format": len(format_event), "bytes": len(body), "groups": [(each.gtid, each.moment_us, len(each.raw)) for each in groups]}
    head = json.dumps(told, separators=(",", ":")).encode()
    return struct.pack(">I", len(head)) + head + body


def sections(parts: Iterable[bytes]) -> Iterator[Section]:
    """Of a segment that comes in parts; one of them is held at a time. Raises ValueError for what `encode` has not made."""
    source = _Source(iter(parts))
    while not source.is_over():
        (length,) = struct.unpack(">I", source.take(4))
        told = json.loads(source.take(length))
        # Segments of the first version are of one section, and do not say how long it is.
        body = source.take(told["bytes"]) if "bytes" in told else source.rest()
        rest, at, groups = zlib.decompress(body), int(told["format"]), []
        for gtid, moment_us, size in told["groups"]:
            groups.append(Group(gtid, moment_us, rest[at : at + size]))
            at += size
        yield rest[: told["format"]], groups


class _Source:
    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._held = parts, bytearray()

    def is_over(self) -> bool:
        self._fill(1)
        return not self._held

    def take(self, size: int) -> bytes:
        self._fill(size)
        if len(self._held) < size:
            raise ValueError("a segment of the archive is cut off")
        found = bytes(self._held[:size])
        del self._held[:size]
        return found

    def rest(self) -> bytes:
        found = bytes(self._held) + b"".join(self._parts)
        self._held.clear()
        return found

    def _fill(self, size: int) -> None:
        while len(self._held) < size and (part := next(self._parts, None)) is not None:
            self._held += part


def log(format_event: bytes, groups: Iterable[Group]) -> bytes:
    """A binary log of these transactions."""
    return MAGIC + format_event + b"".join(each.raw for each in groups)
