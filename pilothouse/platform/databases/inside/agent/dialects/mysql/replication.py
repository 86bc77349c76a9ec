"""The statements of `seam.Replication`."""

from pathlib import Path

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.acknowledging import is_far_behind, relay_sync
from pilothouse.platform.databases.inside.agent.seen import Answer
from pilothouse.platform.databases.inside.agent.sql import Refused, Sql
from pilothouse.platform.databases.inside.agent.wanted import Wanted


def adopt(sql: Sql, position: str) -> None:
    """Of data whose position is not in them, such as those of a dump."""
    try:
        sql.run("RESET BINARY LOGS AND GTIDS")
    except Refused:  # 8.0
        sql.run("RESET MASTER")
    sql.rows("SET GLOBAL gtid_purged = %s", (position,))


def follow(sql: Sql, wanted: Wanted, answer: Answer, server_id: int, tls: Path) -> None:
    """Relay logs go: what is in them was applied before, or is asked for again."""
    acknowledges = wanted.acknowledges and not is_far_behind(wanted, answer.executed)
    if answer.replication is not None:
        sql.run("STOP REPLICA")
    sql.run(
        "RESET REPLICA ALL",
        f"SET GLOBAL server_id = {server_id}",
        f"SET GLOBAL sync_relay_log = {relay_sync(wanted) if acknowledges else 0}",
        f"SET GLOBAL rpl_semi_sync_replica_enabled = {int(acknowledges)}",
    )
    assert wanted.source is not None
    assert wanted.replication is not None
    sql.rows(
        "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = %s, SOURCE_PASSWORD = %s, "
        "SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 0, SOURCE_HEARTBEAT_PERIOD = 1, "
        "SOURCE_SSL = 1, SOURCE_SSL_CA = %s, SOURCE_SSL_VERIFY_SERVER_CERT = 1",
        (wanted.source.host, wanted.source.port, wanted.replication.user, wanted.replication.password, str(tls / "ca.crt")),
    )
    sql.run("START REPLICA")


def receive(sql: Sql) -> None:
    sql.run("START REPLICA")


def stop_receiving(sql: Sql) -> None:
    sql.run("STOP REPLICA IO_THREAD")


def acknowledge(sql: Sql, wanted: Wanted, data: Path) -> None:
    """It counts from the next connection on."""
    if wanted.acknowledges:
        sql.run(f"SET GLOBAL sync_relay_log = {relay_sync(wanted)}")
        files.sync(data.glob("relay.*"))
    enabled = f"SET GLOBAL rpl_semi_sync_replica_enabled = {int(wanted.acknowledges)}"
    sql.run(enabled, "STOP REPLICA IO_THREAD", "START REPLICA IO_THREAD")


def drain(sql: Sql, folder: Path, answer: Answer) -> None:
    """The server goes on where it was: it keeps what it has received, and skips what it has applied."""
    sql.run("START REPLICA SQL_THREAD")


def skip_in_drain(sql: Sql) -> None:
    """Never needed: see `drain`."""


def leave_drain(sql: Sql) -> None:
    """Never needed: see `drain`."""


def demote(sql: Sql) -> None:
    sql.run("SET GLOBAL rpl_semi_sync_source_enabled = 0", "SET GLOBAL init_connect = ''")


def promote(sql: Sql, answer: Answer, server_id: int) -> None:
    if answer.replication is not None:
        sql.run("STOP REPLICA", "RESET REPLICA ALL")
    sql.run("SET GLOBAL rpl_semi_sync_replica_enabled = 0", f"SET GLOBAL server_id = {server_id}")


def semi_sync(sql: Sql, is_wanted: bool) -> None:
    sql.run(f"SET GLOBAL rpl_semi_sync_source_enabled = {int(is_wanted)}")


def open(sql: Sql) -> None:
    """Both kinds at once: it ends `super_read_only`, too."""
    sql.run("SET GLOBAL read_only = 0")


def close(sql: Sql) -> None:
    sql.run("SET GLOBAL super_read_only = 1")
