"""Asks the server what it is. Only statements that answer while commits wait for acknowledgements (SHOW MASTER STATUS does not)."""

from pilothouse.platform.databases.inside.agent.seen import Answer, Replication, SemiSync
from pilothouse.platform.databases.inside.agent.sql import Row, Sql

VARIABLES = ("version", "server_id", "read_only", "gtid_binlog_pos", "gtid_binlog_state", "gtid_slave_pos", "init_connect")
_SEMI_SYNC = ("rpl_semi_sync_master_enabled", "rpl_semi_sync_slave_enabled")
_STATUS = (
    "Rpl_semi_sync_master_clients",
    "Rpl_semi_sync_master_wait_sessions",
    "Rpl_semi_sync_slave_status",
    "Threads_connected",
    "Uptime",
)


def look(sql: Sql) -> Answer:
    """Raises Unreachable, Refused."""
    variables = sql.row("SELECT " + ", ".join(f"@@global.{name} AS {name}" for name in (*VARIABLES, *_SEMI_SYNC)))
    names = ", ".join(f"'{name}'" for name in _STATUS)
    status = {row["Variable_name"]: str(row["Value"]) for row in sql.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")}
    return Answer(
        version=str(variables["version"]).partition("-")[0],
        server_id=int(variables["server_id"]),
        read_only=bool(variables["read_only"]),
        executed=str(variables["gtid_binlog_pos"] or ""),
        binlog_state=str(variables["gtid_binlog_state"] or ""),
        applied=str(variables["gtid_slave_pos"] or ""),
        semi_sync=_semi_sync(variables, status),
        replication=_replication(sql.row("SHOW SLAVE STATUS")),
        init_connect=str(variables["init_connect"] or ""),
        sessions=int(status.get("Threads_connected") or 0),
        uptime_s=int(status.get("Uptime") or 0),
    )


def _semi_sync(variables: Row, status: dict[str, str]) -> SemiSync:
    return SemiSync(
        primary=bool(variables["rpl_semi_sync_master_enabled"]),
        replica=bool(variables["rpl_semi_sync_slave_enabled"]),
        acknowledging=int(status.get("Rpl_semi_sync_master_clients") or 0),
        waiting=int(status.get("Rpl_semi_sync_master_wait_sessions") or 0),
        acknowledges=status.get("Rpl_semi_sync_slave_status") == "ON",
    )


def _replication(row: Row) -> Replication | None:
    if not row:
        return None
    lag = row["Seconds_Behind_Master"]
    return Replication(
        host=str(row["Master_Host"]),
        port=int(row["Master_Port"]),
        by_gtid=row["Using_Gtid"] != "No",
        io=str(row["Slave_IO_Running"]),
        sql=row["Slave_SQL_Running"] == "Yes",
        received=str(row["Gtid_IO_Pos"] or ""),
        has_applied_all="read all relay log" in str(row["Slave_SQL_Running_State"]),
        relay_log=str(row["Relay_Log_File"] or ""),
        relay_position=int(row["Relay_Log_Pos"] or 0),
        log_file=str(row["Master_Log_File"] or ""),
        log_position=int(row["Read_Master_Log_Pos"] or 0),
        lag_s=None if lag is None else float(lag),
        io_errno=int(row["Last_IO_Errno"] or 0),
        io_error=str(row["Last_IO_Error"] or ""),
        sql_errno=int(row["Last_SQL_Errno"] or 0),
        sql_error=str(row["Last_SQL_Error"] or ""),
    )
