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


def first_after(folder: Path, log: str, position: int, sequence: int) -> tuple[str, int]:
    """The file and the place of the first transaction of our domain with a higher number; the end of the last file when there is none.

    log, position: from where on there may be one. Raises OSError, ValueError for files that are no relay logs.
    """
    place = (log, position)
    for name in _logs_from(folder, log):
        with (folder / name).open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise ValueError(f"{name} is no relay log")
            for at, number in _transactions(file, max(position, len(_MAGIC)) if name == log else len(_MAGIC)):
                if number > sequence:
                    return name, at
            place = (name, file.tell())
    return place


def _logs_from(folder: Path, log: str) -> list[str]:
    """As their index has them, beginning with this one. Raises ValueError when that has it not."""
    names = [Path(line).name for line in (folder / "relay.index").read_text().splitlines() if line.strip()]
    return names[names.index(log) :]


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
