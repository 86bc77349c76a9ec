"""The heads of a log's events: where its transactions begin, and what they are called.

Source: the MySQL Internals Manual, "Binary Log Event", and mysql/libbinlogevents: a head of 19 bytes, whose size counts the whole event;
`Gtid_event` begins with flags, the server's UUID and the number. A transaction with a tag in its name (8.4) has another event and is
refused.
"""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

MAGIC = b"\xfebin"
_HEAD = struct.Struct("<IBIIIH")
"""Second, kind, server, size, end in the log, flags."""
_GTID = struct.Struct("<B16sQ")
"""Flags, the server's UUID, number."""
FORMAT, GTID, TAGGED_GTID = 15, 33, 42


@dataclass(frozen=True, slots=True)
class Transaction:
    """at: where its first event begins. server, number: its name, as in a set of transactions."""

    at: int
    server: str
    number: int


def transactions(log: Path) -> Iterator[Transaction]:
    """Those whose first event is whole. Raises OSError, and ValueError for what is no log, or one whose names are of a form not known."""
    with log.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError(f"{log.name} is no log of changes")
        servers: dict[bytes, str] = {}
        for at, kind in _heads(file):
            if kind == TAGGED_GTID:
                raise ValueError(f"{log.name} has transactions with tags")
            if kind == GTID:
                _, server, number = _GTID.unpack(file.read(_GTID.size))
                if server not in servers:
                    servers[server] = str(uuid.UUID(bytes=server))
                yield Transaction(at, servers[server], number)


def second_event(log: Path) -> int:
    """Where the second event begins: the first one says how to read the others. Raises OSError."""
    with log.open("rb") as file:
        return next((at for at, kind in _heads(file) if kind != FORMAT), len(MAGIC))


def _heads(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Place and kind of each whole event; the file stands behind its head."""
    end, at = file.seek(0, SEEK_END), len(MAGIC)
    while True:
        file.seek(at)
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        _, kind, _, size, _, _ = _HEAD.unpack(head)
        if size < _HEAD.size or at + size > end:
            return
        yield at, kind
        at += size
