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
from pilothouse.platform.databases.inside.archive.position import position
from pilothouse.platform.databases.inside.archive.position import text as as_text

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
        return _cut(f"{self.number:012d}{of}_{_short(self.after)}_{_short(_news(self.after, self.last))}")

    @classmethod
    def read(cls, text: str) -> "Name | None":
        """None for what no archive of this version has written."""
        found = _NAME.fullmatch(text.replace("/", ""))
        if found is None:
            return None
        begin = _long(found[3])
        return cls(int(found[1]), begin, _all(begin, _long(found[4])), int(found[2] or 0))


_NAME = re.compile(r"(\d+)(?:from(\d+))?_([^_]*)_([^_]*)")
_PART = 200
"""A folder's names have 255 bytes, and MySQL's positions grow with each server that an instance ever had."""


def _cut(text: str) -> str:
    return "/".join(text[at : at + _PART] for at in range(0, len(text), _PART))


def _news(after: str, last: str) -> str:
    """Of MySQL's position what is not in the earlier one as it is; MariaDB's as it is."""
    if ":" not in last:
        return last
    before = position(after)
    return as_text({server: ranges for server, ranges in position(last).items() if before.get(server) != ranges})


def _all(after: str, news: str) -> str:
    return as_text(position(after) | position(news)) if ":" in news else news


def _short(text: str) -> str:
    """Without the hyphens of MySQL's UUIDs."""
    return ",".join(word[:36].replace("-", "") + word[36:] for word in text.split(",")) if ":" in text else text


def _long(text: str) -> str:
    return as_text(position(text)) if ":" in text else text


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
