"""Events of MariaDB's binary log: enough to tell transactions apart (pure).

Source: MariaDB's replication protocol, "Binlog event header", GTID_EVENT, QUERY_EVENT; where a group ends is as in
`event_group_ending` of the server's sql/slave.cc.
"""

import struct
from dataclasses import dataclass

MAGIC = b"\xfebin"
HEADER = 19
QUERY, ROTATE, FORMAT, XID, HEARTBEAT, XA_PREPARE = 2, 4, 15, 16, 27, 38
GTID, GTID_LIST = 162, 163
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


def gtid_of(found: Event) -> tuple[str, bool]:
    """Of a GTID event: the transaction's number, and whether it is of one statement that ends by itself, such as CREATE TABLE."""
    number, domain, flags = struct.unpack_from("<QIB", found.raw, HEADER)
    return f"{domain}-{found.server_id}-{number}", bool(flags & _STANDALONE)


def gtid_list(found: Event) -> str:
    """Of a file's GTID list: the position before its first transaction. Of each domain the last transaction comes last."""
    (count,) = struct.unpack_from("<I", found.raw, HEADER)
    last: dict[int, str] = {}
    for number in range(count & _COUNT):
        domain, server, sequence = _ENTRY.unpack_from(found.raw, HEADER + 4 + number * _ENTRY.size)
        last[domain] = f"{domain}-{server}-{sequence}"
    return ",".join(last[domain] for domain in sorted(last))


def ends_group(found: Event, standalone: bool) -> bool:
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
