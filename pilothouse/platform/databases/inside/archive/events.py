"""Events of binary logs, MariaDB's and MySQL's: enough to tell transactions apart (pure).

Source: MariaDB's replication protocol, "Binlog event header", GTID_EVENT, QUERY_EVENT; where a group ends is as in
`event_group_ending` of the server's sql/slave.cc. Of MySQL's the reference of mysql::binlog::event, `Gtid_event`: it tells how many bytes
the transaction has, and when it was committed.
"""

import struct
import uuid
from dataclasses import dataclass

MAGIC = b"\xfebin"
HEADER = 19
QUERY, FORMAT, XID, XA_PREPARE = 2, 15, 16, 38
HEARTBEATS = frozenset([27, 41])
GTID, GTID_LIST = 162, 163
MYSQL_GTID, PREVIOUS_GTIDS, TAGGED_GTID = 33, 35, 42
_PARTS = frozenset([5, 13, 14, 19, 160])
"""Intvar, Rand, User_var, Table_map, Annotate_rows: never the last of a group."""
_ROWS = frozenset([23, 24, 25, 30, 31, 32, 166, 167, 168, 169, 170, 171])
_STATEMENT_END = 1
_STANDALONE = 1
_ARTIFICIAL = 0x20
_ENDS = (b"COMMIT", b"ROLLBACK")
_COUNT = 0x0FFFFFFF
_ENTRY = struct.Struct("<IIQ")
"""Of a GTID list: domain, server, number. The four bits beside the count are flags."""


@dataclass(frozen=True, slots=True)
class Event:
    """raw: as it lies in a log. second: when its statement began, since the epoch."""

    raw: bytes
    second: int
    kind: int
    server_id: int

    @property
    def is_artificial(self) -> bool:
        """Made for whoever follows; it is in no log."""
        return bool(struct.unpack_from("<H", self.raw, 17)[0] & _ARTIFICIAL)


def size_of(head: bytes) -> int:
    """Bytes of the event whose first HEADER bytes these are, at least those."""
    (size,) = struct.unpack_from("<I", head, 9)
    return max(HEADER, int(size))


def event(raw: bytes) -> Event:
    """Raises ValueError when it is none."""
    if len(raw) < HEADER:
        raise ValueError("an event of the binary log is cut off")
    second, kind, server_id, size = struct.unpack_from("<IBII", raw)
    if size != len(raw):
        raise ValueError(f"an event of the binary log has {len(raw)} bytes instead of {size}")
    return Event(raw, second, kind, server_id)


def same_format(one: bytes, other: bytes) -> bool:
    """Whether two format events say the same but for when and by whom they were written."""
    return one[_FORMAT_SAID] == other[_FORMAT_SAID] and one[_FORMAT_LENGTHS] == other[_FORMAT_LENGTHS]


_FORMAT_SAID, _FORMAT_LENGTHS = slice(HEADER, HEADER + 52), slice(HEADER + 56, -4)
"""Version of the log and of the server; behind the time at which the server began, lengths of heads and the kind of checksums."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the first event of a transaction tells. standalone: it is of one statement that ends by itself, such as CREATE TABLE.

    size: bytes of all its events, 0 where it does not tell. moment_us: of its commit, since the epoch, 0 likewise.
    """

    gtid: str
    standalone: bool = False
    size: int = 0
    moment_us: int = 0

    def is_over(self, found: Event, size: int) -> bool:
        """Whether the event is its last one. size: of all of them so far."""
        return size >= self.size if self.size else _ends_group(found, self.standalone)


def head(found: Event) -> Head | None:
    """None for an event that begins no transaction. Raises ValueError for one whose transactions have tags, as MySQL 8.4's may."""
    if found.kind == GTID:
        number, domain, flags = struct.unpack_from("<QIB", found.raw, HEADER)
        return Head(f"{domain}-{found.server_id}-{number}", bool(flags & _STANDALONE))
    if found.kind == TAGGED_GTID:
        raise ValueError("the log has transactions with tags, which are not archived: commit without a tag in gtid_next")
    return _mysql_head(found.raw) if found.kind == MYSQL_GTID else None


def _mysql_head(raw: bytes) -> Head:
    server, number = struct.unpack_from("<16sQ", raw, HEADER + 1)
    at = HEADER + _MYSQL_TIMES
    times = int.from_bytes(raw[at : at + 7], "little")
    at += 14 if times & _TWO_TIMES else 7
    return Head(f"{uuid.UUID(bytes=server)}:{number}", size=_packed(raw, at), moment_us=times & (_TWO_TIMES - 1))


_MYSQL_TIMES = 1 + 16 + 8 + 1 + 16
"""Flags, server, number, the kind of logical times and two of them come before the times."""
_TWO_TIMES = 1 << 55


def _packed(raw: bytes, at: int) -> int:
    """A number of one byte, or of as many as its first one says."""
    sizes = {252: 2, 253: 3, 254: 8}
    return int.from_bytes(raw[at + 1 : at + 1 + sizes[raw[at]]], "little") if raw[at] in sizes else raw[at]


def begin(found: Event) -> str | None:
    """The position before the first transaction of the log; None for an event that does not tell it."""
    if found.kind == GTID_LIST:
        return gtid_list(found)
    return previous_gtids(found) if found.kind == PREVIOUS_GTIDS else None


def previous_gtids(found: Event) -> str:
    (count,), at = struct.unpack_from("<Q", found.raw, HEADER), HEADER + 8
    words = []
    for _ in range(count):
        server, ranges = struct.unpack_from("<16sQ", found.raw, at)
        at += 24
        ends = [struct.unpack_from("<QQ", found.raw, at + 16 * number) for number in range(ranges)]
        at += 16 * ranges
        words.append(":".join([str(uuid.UUID(bytes=server)), *(f"{first}-{last - 1}" for first, last in ends)]))
    return ",".join(sorted(words))


def gtid_list(found: Event) -> str:
    """Of a file's GTID list: the position before its first transaction. Of each domain the last transaction comes last."""
    (count,) = struct.unpack_from("<I", found.raw, HEADER)
    last: dict[int, str] = {}
    for number in range(count & _COUNT):
        domain, server, sequence = _ENTRY.unpack_from(found.raw, HEADER + 4 + number * _ENTRY.size)
        last[domain] = f"{domain}-{server}-{sequence}"
    return ",".join(last[domain] for domain in sorted(last))


def _ends_group(found: Event, standalone: bool) -> bool:
    if standalone:
        if found.kind in _ROWS:
            return bool(struct.unpack_from("<H", found.raw, HEADER + 6)[0] & _STATEMENT_END)
        return found.kind not in _PARTS
    if found.kind in (XID, XA_PREPARE):
        return True
    return found.kind == QUERY and _statement(found).startswith(_ENDS)


def _statement(found: Event) -> bytes:
    """With the checksum behind it, where the log has checksums."""
    schema_length, _, variables_length = struct.unpack_from("<BHH", found.raw, HEADER + 8)
    return found.raw[HEADER + 13 + variables_length + schema_length + 1 :]
