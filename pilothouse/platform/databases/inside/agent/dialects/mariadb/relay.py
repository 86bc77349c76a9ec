"""Where in a replica's relay logs the first transaction is that it has not applied.

After a crash the server's own note of that is behind, by thousands of transactions when there was much to do. A relay log has the form of
a binary log, so only the heads of its events are read.
"""

import struct
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from pilothouse.platform.databases.inside.agent.gtid import DOMAIN

_MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")
"""Second, kind, server, size, position at the source, flags."""
_GTID = 162
_BODY = struct.Struct("<QI")
"""Of such an event: number, domain."""


class Gap(ValueError):
    """The logs go on, and not with the next transaction: those between are nowhere in them."""


def first_after(folder: Path, log: str, position: int, sequence: int) -> tuple[str, int]:
    """The file and the place of the transaction of our domain with the next number; the end of the last file when there is none.

    log, position: the server's own note, where the search begins; when the transaction is not behind it, all that is left is searched.
    Raises OSError, Gap, ValueError for files that are no relay logs.
    """
    names = _logs(folder)
    try:
        return _search(folder, names[names.index(log) :], position, sequence)
    except Gap:
        return _search(folder, names, 0, sequence)


def _search(folder: Path, names: list[str], position: int, sequence: int) -> tuple[str, int]:
    """position: in the first of them."""
    place = (names[0], position)
    for name in names:
        with (folder / name).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{name} is no relay log")
            for at, number in _transactions(file, max(position, len(_MAGIC)) if name == names[0] else len(_MAGIC)):
                if number > sequence + 1:
                    raise Gap(f"the relay log goes on with the transaction {number}, and {sequence} is the last that was applied")
                if number > sequence:
                    return name, at
            place = (name, file.tell())
    return place


def _logs(folder: Path) -> list[str]:
    """As their index has them, the oldest first."""
    return [Path(line).name for line in (folder / "relay.index").read_text().splitlines() if line.strip()]


def _transactions(file: BinaryIO, at: int) -> Iterator[tuple[int, int]]:
    """Place and number of each of our domain; the file stands behind the last whole event afterwards."""
    end = file.seek(0, SEEK_END)
    while True:
        file.seek(at)
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            break
        _, kind, _, size, _, _ = _HEADER.unpack(head)
        if size < _HEADER.size or at + size > end:
            break
        if kind == _GTID:
            body = file.read(_BODY.size)
            if len(body) == _BODY.size and _BODY.unpack(body)[1] == DOMAIN:
                yield at, _BODY.unpack(body)[0]
        at += size
    file.seek(at)
