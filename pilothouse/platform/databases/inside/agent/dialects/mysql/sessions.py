"""Statements about clients' sessions. The server has no compound statements outside of procedures."""

from collections.abc import Collection
from contextlib import suppress

from pilothouse.platform.databases.inside.agent.sql import Refused, Sql

_STEPS = ((100, 0.005), (95, 0.1))
"""How often a new connection looks, and for how many seconds it waits each time: 10 s in all."""
GATE = "; ".join(f"DO IF(@@GLOBAL.read_only, SLEEP({pause_s}), 0)" for count, pause_s in _STEPS for _ in range(count))


def end_idle(sql: Sql, sessions: Collection[int]) -> None:
    """Between the look and the end a session may begin a statement, within the millisecond that this takes: its client gets an error."""
    rows = sql.rows(
        "SELECT id FROM information_schema.PROCESSLIST WHERE FIND_IN_SET(id, %s) AND command = 'Sleep'",
        (",".join(str(each) for each in sessions),),
    )
    for row in rows:
        with suppress(Refused):
            sql.run(f"KILL {int(row['id'])}")
