"""Tells the primary once more what this replica has, when nothing new comes: an acknowledgement that was never given is given then.

The server acknowledges what it is sent while it acknowledges. A transaction that it had before, or whose acknowledgement was lost with a
connection, is not sent again to a replica that follows by GTID, and the primary's commit, and each one behind it, would wait for ever
(measured). Who asks a primary for its log from a place on says that he has all before it, so the agent asks so, and goes.
"""

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymysql

from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect
from pilothouse.platform.databases.inside.agent.job import Failed, Job
from pilothouse.platform.databases.inside.agent.seen import Answer, Replication
from pilothouse.platform.databases.inside.agent.source import connected
from pilothouse.platform.databases.inside.agent.wanted import Wanted

QUIET_S = 0.5
"""So long nothing new has come. Each place is told once."""
_COM_BINLOG_DUMP = 0x12
_OWN = 1 << 31
"""Added to the server's number: under its own the primary would take the agent for a new connection of the replica, and end the other."""


class Report:
    """For the loop's thread; the work is done in another. changed: called when it is over."""

    def __init__(self, dialect: Dialect, tls: Path, changed: Callable[[], None]) -> None:
        self._dialect = dialect
        self._tls = tls
        self._changed = changed
        self._place: tuple[str, str, int] = ("", "", 0)
        self._since = 0.0
        self._told: tuple[str, str, int] = ("", "", 0)
        self._has_acknowledged = False
        self._job: Job | None = None

    def see_to(self, wanted: Wanted, answer: Answer) -> None:
        """Of a replica that acknowledges. What it had received before it began to, or from another source, is told at once."""
        replication, had = answer.replication, self._has_acknowledged
        self._has_acknowledged = acknowledges = wanted.acknowledges and answer.semi_sync.acknowledges
        if replication is None or not replication.receives or not replication.log_file or not acknowledges:
            return
        place, now = (replication.host, replication.log_file, replication.log_position), time.monotonic()
        if place != self._place:
            is_new = not had or place[0] != self._place[0]
            self._place, self._since = place, now - (QUIET_S if is_new else 0.0)
        if place != self._told and now - self._since >= QUIET_S and (self._job is None or self._job.is_over):
            self._since = now
            self._job = Job("report", lambda job: self._work(wanted, answer, replication, place), self._changed)

    def _work(self, wanted: Wanted, answer: Answer, replication: Replication, place: tuple[str, str, int]) -> None:
        try:
            tell(self._dialect, wanted, self._tls, answer.server_id, replication.log_file, replication.log_position)
        except (pymysql.Error, OSError) as error:
            raise Failed(str(error)) from error
        self._told = place


def tell(dialect: Dialect, wanted: Wanted, tls: Path, server_id: int, file: str, position: int) -> None:
    """file, position: in the primary's log, up to where the replica has it. Raises pymysql.Error, OSError."""
    connection: Any = connected(wanted, tls)  # its dump command has no public name
    try:
        with connection.cursor() as cursor:
            cursor.execute(dialect.report)
        connection._execute_command(_COM_BINLOG_DUMP, struct.pack("<IHI", position, 0, server_id | _OWN) + file.encode())
        connection._read_packet()  # the primary has taken note before it sends anything
    finally:
        connection._force_close()
