"""The statements of `seam.Replication`."""

from pathlib import Path

from pilothouse.platform.databases.inside.agent import files
from pilothouse.platform.databases.inside.agent.acknowledging import is_far_behind, relay_sync
from pilothouse.platform.databases.inside.agent.dialects.mariadb import relay
from pilothouse.platform.databases.inside.agent.gtid import later, sequence
from pilothouse.platform.databases.inside.agent.seen import Answer
from pilothouse.platform.databases.inside.agent.sql import Sql
from pilothouse.platform.databases.inside.agent.wanted import Wanted

PARALLEL = 4
"""Threads that apply what is received. More than none crash 10.11 while it applies a relay log by its file, so they are set after that."""


def follow(sql: Sql, wanted: Wanted, answer: Answer, server_id: int, tls: Path) -> None:
    """From what it has in its own log, which an old primary's position as a replica does not know of. Raises Unreachable, Refused.

    One that acknowledges nothing, be it that it is far behind and has to catch up first, does not wait for its disk.
    """
    acknowledges = wanted.acknowledges and not is_far_behind(wanted, answer.executed)
    if answer.replication is not None:
        sql.run("STOP SLAVE")
    sql.run(
        f"SET GLOBAL server_id = {server_id}",
        f"SET GLOBAL slave_parallel_threads = {PARALLEL}",
        f"SET GLOBAL sync_relay_log = {relay_sync(wanted) if acknowledges else 0}",
        f"SET GLOBAL rpl_semi_sync_slave_enabled = {int(acknowledges)}",
    )
    if answer.applied != answer.executed:
        sql.rows("SET GLOBAL gtid_slave_pos = %s", (answer.executed,))
    assert wanted.source is not None
    assert wanted.replication is not None
    sql.rows(
        "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = %s, MASTER_PASSWORD = %s, MASTER_USE_GTID = slave_pos, "
        "MASTER_CONNECT_RETRY = 1, MASTER_HEARTBEAT_PERIOD = 1, MASTER_SSL = 1, MASTER_SSL_CA = %s, MASTER_SSL_VERIFY_SERVER_CERT = 1",
        (wanted.source.host, wanted.source.port, wanted.replication.user, wanted.replication.password, str(tls / "ca.crt")),
    )
    sql.run("START SLAVE")


def receive(sql: Sql) -> None:
    sql.run("START SLAVE")


def stop_receiving(sql: Sql) -> None:
    sql.run("STOP SLAVE IO_THREAD")


def acknowledge(sql: Sql, wanted: Wanted, data: Path) -> None:
    """It counts from the next connection on. The thread that applies goes on, so nothing received is forgotten.

    data: the folder of relay logs: what has been received without acknowledging may be in memory alone.
    """
    if wanted.acknowledges:
        sql.run(f"SET GLOBAL sync_relay_log = {relay_sync(wanted)}")
        files.sync(data.glob("relay.*"))
    sql.run(f"SET GLOBAL rpl_semi_sync_slave_enabled = {int(wanted.acknowledges)}", "STOP SLAVE IO_THREAD", "START SLAVE IO_THREAD")


def adopt(sql: Sql, position: str) -> None:
    """A copy comes without the log of its source: the new log goes on from the position of the copy, for itself and for whom it leads.

    Of a copy of a replica the server's own note of what is applied counts, which lies in the data: mariadb-backup asks for the position
    while the last transactions of a group are committed and not counted yet.
    """
    noted = str(sql.row("SELECT @@global.gtid_slave_pos AS noted")["noted"] or "")
    position = later(position, noted)
    sql.run("RESET MASTER")
    sql.rows("SET GLOBAL gtid_binlog_state = %s", (position,))
    sql.rows("SET GLOBAL gtid_slave_pos = %s", (position,))


def drain(sql: Sql, folder: Path, answer: Answer) -> None:
    """Applies the relay logs by their files: by GTID the server would throw them away at the start of its threads."""
    source = answer.replication
    assert source is not None
    log, position = relay.first_after(folder, source.relay_log, source.relay_position, sequence(answer.executed))
    sql.run("SET GLOBAL slave_parallel_threads = 0")
    sql.rows("CHANGE MASTER TO RELAY_LOG_FILE = %s, RELAY_LOG_POS = %s, MASTER_USE_GTID = no", (log, position))
    sql.run("START SLAVE SQL_THREAD")


def skip_in_drain(sql: Sql) -> None:
    """Past one transaction that is applied already."""
    sql.run("SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE SQL_THREAD")


def leave_drain(sql: Sql) -> None:
    sql.run("STOP SLAVE", "CHANGE MASTER TO MASTER_USE_GTID = slave_pos")


def demote(sql: Sql) -> None:
    """Of a primary that is read only already."""
    sql.run("SET GLOBAL rpl_semi_sync_master_enabled = 0", "SET GLOBAL init_connect = ''")


def promote(sql: Sql, answer: Answer, server_id: int) -> None:
    if answer.replication is not None:
        sql.run("STOP SLAVE", "RESET SLAVE ALL")
    sql.run("SET GLOBAL rpl_semi_sync_slave_enabled = 0", f"SET GLOBAL server_id = {server_id}")


def semi_sync(sql: Sql, is_wanted: bool) -> None:
    sql.run(f"SET GLOBAL rpl_semi_sync_master_enabled = {int(is_wanted)}")


def open(sql: Sql) -> None:
    sql.run("SET GLOBAL read_only = 0")


def close(sql: Sql) -> None:
    sql.run("SET GLOBAL read_only = 1")
