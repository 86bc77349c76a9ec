"""What a flavour of servers must give the programs of Jobs, beside what it gives the agent (`agent.dialects`)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from pilothouse.platform.databases.inside.scratch import Scratch


@dataclass(frozen=True, slots=True)
class Tools:
    """Commands lack what follows from the place: socket, folder, file.

    server: one of a Job's own, without a log. replaying: its options while the archive is replayed. install: makes an empty server's data
    in a folder. client: reads SQL. log: gives a file of a log as SQL. unpack: makes files of an agent's copy in a folder. prepare: makes
    them data that a server starts on, () for nothing. dumped: finds the position at the end of a dump, in its group 1. kept: tables of the
    system that a backup is compared by; counted: those of them that are compared by their number of rows alone.
    """

    server: tuple[str, ...]
    replaying: tuple[str, ...]
    install: Callable[[Path], tuple[str, ...]]
    client: tuple[str, ...]
    log: tuple[str, ...]
    unpack: Callable[[Path], tuple[str, ...]]
    prepare: Callable[[Path], tuple[str, ...]]
    dumped: re.Pattern[bytes]
    kept: tuple[str, ...]
    counted: tuple[str, ...]
    position: "Callable[[Path, Connection], str]"
    """Of a copy that a server of the Job's runs on."""
    number_from: "Callable[[Connection, str], None]"
    """Before the archive is replayed: what is in the data already, so that each transaction keeps its own number."""
    copy: "Callable[[Scratch, Path, Path], Iterator[bytes]]"
    """As an agent takes one (zstd), of a server and its folder, with a folder for what is needed beside. The server may be stopped for it.

    Raises Failure when it does not end well, before its last part is given."""
