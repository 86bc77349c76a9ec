"""Asks the server what it is. Only statements that answer while commits wait for acknowledgements."""

import re
from contextlib import suppress

from pilothouse.platform.databases.inside.agent.gtid import union
from pilothouse.platform.databases.inside.agent.seen import Answer, Replication, SemiSync
from pilothouse.platform.databases.inside.agent.sql import Refused, Row, Sql

_VARIABLES = ("version", "server_id", "server_uuid", "read_only", "gtid_executed", "init_connect")
_SEMI_SYNC = ("rpl_semi_sync_source_enabled", "rpl_semi_sync_replica_enabled")
_STATUS = (
    "Rpl_semi_sync_source_clients",
    "Rpl_semi_sync_source_wait_sessions",
    "Rpl_semi_sync_replica_status",
    "Threads_connected",
    "Uptime",
)
_COUNTED = re.compile(r" - retry-time: .* message: ")
"""Of an attempt to connect: how many came before is news to nobody."""
_ERRORS = {13114: 1236}
"""Both say that the source cannot send what comes next: the server's own log has another number for it than the protocol."""


def look(sql: Sql) -> Answer:
    """A server whose commits wait while no replica is there to acknowledge them is asked by a new connection, too: a change of accounts
    that waits lets nobody in, neither clients nor replicas, and goes on doing so until another member takes over.

    Raises Unreachable, Refused.
    """
    answer = _look(sql)
    if answer.semi_sync.waiting and not answer.semi_sync.acknowledging:
        with suppress(Refused):  # who refuses answers
            sql.probe()
    return answer


def _look(sql: Sql) -> Answer:
    variables = sql.row("SELECT " + ", ".join(f"@@global.{name} AS {name}" for name in (*_VARIABLES, *_SEMI_SYNC)))
    names = ", ".join(f"'{name}'" for name in _STATUS)
    status = {row["Variable_name"]: str(row["Value"]) for row in sql.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")}
    executed = _set(variables["gtid_executed"])
    return Answer(
        version=str(variables["version"]).partition("-")[0],
        server_id=int(variables["server_id"]),
        read_only=bool(variables["read_only"]),
        executed=executed,
        binlog_state=str(variables["server_uuid"]),
        applied=executed,
        semi_sync=_semi_sync(variables, status),
        replication=_replication(sql.row("SHOW REPLICA STATUS"), executed),
        init_connect=str(variables["init_connect"] or ""),
        sessions=int(status.get("Threads_connected") or 0),
        uptime_s=int(status.get("Uptime") or 0),
    )


def _semi_sync(variables: Row, status: dict[str, str]) -> SemiSync:
    return SemiSync(
        primary=bool(variables["rpl_semi_sync_source_enabled"]),
        replica=bool(variables["rpl_semi_sync_replica_enabled"]),
        acknowledging=int(status.get("Rpl_semi_sync_source_clients") or 0),
        waiting=int(status.get("Rpl_semi_sync_source_wait_sessions") or 0),
        acknowledges=status.get("Rpl_semi_sync_replica_status") == "ON",
    )


def _replication(row: Row, executed: str) -> Replication | None:
    """What it has received is told as all that it has: the server names only what came by the relay logs that are left."""
    if not row or not row["Source_Host"]:
        return None
    lag = row["Seconds_Behind_Source"]
    return Replication(
        host=str(row["Source_Host"]),
        port=int(row["Source_Port"]),
        by_gtid=True,
        io=str(row["Replica_IO_Running"]),
        sql=row["Replica_SQL_Running"] == "Yes",
        received=union(executed, _set(row["Retrieved_Gtid_Set"])),
        has_applied_all="read all relay log" in str(row["Replica_SQL_Running_State"]),
        relay_log=str(row["Relay_Log_File"] or ""),
        relay_position=int(row["Relay_Log_Pos"] or 0),
        log_file=str(row["Source_Log_File"] or ""),
        log_position=int(row["Read_Source_Log_Pos"] or 0),
        lag_s=None if lag is None else float(lag),
        io_errno=_ERRORS.get(errno := int(row["Last_IO_Errno"] or 0), errno),
        io_error=_COUNTED.sub(": ", str(row["Last_IO_Error"] or "")),
        sql_errno=int(row["Last_SQL_Errno"] or 0),
        sql_error=str(row["Last_SQL_Error"] or ""),
    )


def _set(value: object) -> str:
    """The server writes one server a line."""
    return str(value or "").replace("\n", "")
