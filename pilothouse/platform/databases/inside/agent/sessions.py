"""Ends clients' sessions on a server that is to be primary no longer, between two of their transactions where that can be.

`information_schema.innodb_trx` is up to 100 ms old, so transactions are read from the engine's own report. Between the look and the end a
session may begin anew: the server compares once more in the statement that ends it. TIME_MS of a sleeping session counts from the start
of its last statement, so only such count as idle that have slept since before the look.
"""

import re
from collections.abc import Iterable
from contextlib import suppress

from pilothouse.platform.databases.inside.agent.dialects.seam import Dialect
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql

_THREAD = re.compile(r"thread id (\d+)")
_CLIENTS = (
    "SELECT id, command, state FROM information_schema.PROCESSLIST WHERE user NOT IN ('system user', 'event_scheduler') "
    "AND command NOT IN ('Binlog Dump', 'Daemon') AND id <> CONNECTION_ID() AND FIND_IN_SET(user, %s) = 0"
)


class Sessions:
    """own: accounts whose sessions are left alone."""

    def __init__(self, dialect: Dialect, sql: Sql, own: Iterable[str]) -> None:
        self._dialect = dialect
        self._sql = sql
        self._own = ",".join(own)

    def end_idle(self) -> int:
        """Returns how many sessions there were. Raises Unreachable, Refused."""
        self._sql.run("SET @looked = SYSDATE(6)")
        rows = self._sql.rows(_CLIENTS, (self._own,))
        sleeping = {int(row["id"]) for row in rows if row["command"] == "Sleep"}
        idle = sleeping - in_transaction(str(self._sql.row("SHOW ENGINE INNODB STATUS").get("Status", ""))) if sleeping else set()
        if idle:
            self._dialect.end_idle(self._sql, idle)
        return len(rows)

    def end_all(self) -> None:
        """But for such as wait for an acknowledgement: ended, they would count as committed without one."""
        for row in self._sql.rows(_CLIENTS, (self._own,)):
            if "semi-sync" not in str(row["state"]):
                with suppress(Refused):
                    self._sql.run(f"KILL {int(row['id'])}")


def in_transaction(report: str) -> set[int]:
    """Sessions with an active transaction, from SHOW ENGINE INNODB STATUS."""
    found = set()
    for block in report.split("---TRANSACTION ")[1:]:
        match = _THREAD.search(block)
        if match and ", ACTIVE" in block.partition("\n")[0]:
            found.add(int(match.group(1)))
    return found
