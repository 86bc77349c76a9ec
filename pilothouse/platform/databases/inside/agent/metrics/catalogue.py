"""What is measured: names, types and meanings, as data.

`mysql_*` are the names of mysqld_exporter, by which dashboards find them. What it does not know is called `pilothouse_mysql_*`.
Source: prometheus/mysqld_exporter, collector/{global_status,global_variables,slave_status,binlog}.go.
MySQL's words for replication (source, replica) stand here as MariaDB's (master, slave), so that one dashboard and one rule are for both.
"""

from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """kind: `counter`, `gauge` or `histogram`."""

    name: str
    kind: str
    help: str


@dataclass(frozen=True, slots=True)
class Group:
    """Status variables that are one metric: `prefix` with each of `parts`, which is the value of `label`."""

    metric: Metric
    prefix: str
    label: str
    parts: tuple[str, ...]


_COUNTED = {
    "queries": "Statements that the server has run, those of the agent and of stored programs among them.",
    "questions": "Statements that clients have sent, the agent among them, which asks a few times a second.",
    "query_time": "Seconds that all statements together have taken.",
    "slow_queries": "Statements that took longer than long_query_time.",
    "bytes_received": "Bytes that clients have sent.",
    "bytes_sent": "Bytes that were sent to clients.",
    "connections": "Connections that were tried.",
    "threads_created": "Threads that were made because none was left over for a connection.",
    "aborted_clients": "Connections that ended without a good-bye.",
    "aborted_connects": "Connections that did not come about.",
    "access_denied_errors": "Logins and statements that were refused for want of rights.",
    "max_statement_time_exceeded": "Statements that were ended because they took longer than max_statement_time.",
    "created_tmp_tables": "Temporary tables that statements needed.",
    "created_tmp_disk_tables": "Temporary tables that did not fit into memory.",
    "created_tmp_files": "Temporary files.",
    "sort_merge_passes": "Passes of sorts that did not fit into sort_buffer_size.",
    "sort_rows": "Rows that were sorted.",
    "select_full_join": "Joins that looked through a whole table for want of an index.",
    "select_scan": "Selections that looked through the whole of their first table.",
    "rows_read": "Rows that were read.",
    "rows_sent": "Rows that were sent to clients.",
    "opened_tables": "Tables that were opened.",
    "table_open_cache_hits": "Tables that were still open when they were wanted.",
    "table_open_cache_misses": "Tables that had to be opened.",
    "table_open_cache_overflows": "Tables that were closed for want of room in table_open_cache.",
    "table_locks_immediate": "Table locks that were had at once.",
    "table_locks_waited": "Table locks that were waited for.",
    "innodb_buffer_pool_read_requests": "Pages that were wanted.",
    "innodb_buffer_pool_reads": "Pages that were not in the buffer pool and were read from the volume.",
    "innodb_buffer_pool_write_requests": "Changes of pages.",
    "innodb_buffer_pool_wait_free": "How often something waited for a free page.",
    "innodb_data_reads": "Reads from the volume.",
    "innodb_data_writes": "Writes to the volume.",
    "innodb_data_fsyncs": "Flushes to the volume.",
    "innodb_data_read": "Bytes that were read from the volume.",
    "innodb_data_written": "Bytes that were written to the volume.",
    "innodb_os_log_written": "Bytes that were written to the redo log.",
    "innodb_log_waits": "How often something waited because the buffer of the redo log was too small.",
    "innodb_row_lock_waits": "How often a row lock was waited for.",
    "innodb_row_lock_time": "Milliseconds that row locks were waited for.",
    "innodb_deadlocks": "Deadlocks.",
    "binlog_commits": "Transactions that were written to the log of changes.",
    "binlog_group_commits": "Groups in which they were written.",
    "binlog_bytes_written": "Bytes that were written to the log of changes.",
    "binlog_cache_disk_use": "Transactions that did not fit into binlog_cache_size.",
    "rpl_semi_sync_master_yes_tx": "Commits that a replica has acknowledged.",
    "rpl_semi_sync_master_no_tx": "Commits that no replica has acknowledged, as nobody waited for that.",
    "rpl_semi_sync_master_tx_waits": "Commits that waited for an acknowledgement.",
    "rpl_semi_sync_master_tx_wait_time": "Microseconds that commits waited for an acknowledgement.",
    "rpl_semi_sync_slave_send_ack": "Acknowledgements that this replica has sent.",
    "slave_retried_transactions": "Transactions that had to be applied once more.",
}
_MEASURED = {
    "uptime": "Seconds since the server's start.",
    "threads_connected": "Connections that are open.",
    "threads_running": "Statements that are being run.",
    "threads_cached": "Threads that are left over for new connections.",
    "max_used_connections": "The most connections that were open at a time since the start.",
    "open_tables": "Tables that are open.",
    "open_files": "Files that are open.",
    "prepared_stmt_count": "Prepared statements that are open.",
    "memory_used": "Bytes of memory that the server counts as used.",
    "innodb_buffer_pool_bytes_data": "Bytes in the buffer pool.",
    "innodb_buffer_pool_bytes_dirty": "Bytes in it that are to be written to the volume.",
    "innodb_row_lock_current_waits": "Row locks that are being waited for.",
    "innodb_history_list_length": "Old versions of rows that are not yet purged.",
    "innodb_checkpoint_age": "Bytes of the redo log that a restart would have to go through.",
    "innodb_checkpoint_max_age": "How many it may become before writes wait.",
    "rpl_semi_sync_master_status": "1 where commits wait for the acknowledgement of a replica.",
    "rpl_semi_sync_master_clients": "Replicas that acknowledge commits.",
    "rpl_semi_sync_master_wait_sessions": "Sessions whose commits wait for an acknowledgement.",
    "rpl_semi_sync_slave_status": "1 where this replica acknowledges.",
    "slaves_connected": "Servers that are being sent the log of changes.",
}
_KINDS = {
    "reads": ("select", "show_status", "show_slave_status", "set_option"),
    "writes": (
        "insert",
        "insert_select",
        "update",
        "update_multi",
        "delete",
        "delete_multi",
        "replace",
        "replace_select",
        "load",
        "truncate",
    ),
    "transactions": ("begin", "commit", "rollback", "savepoint", "xa_prepare", "xa_commit", "xa_rollback", "lock_tables"),
    "definitions": (
        "create_db",
        "drop_db",
        "create_table",
        "alter_table",
        "drop_table",
        "create_index",
        "drop_index",
        "create_view",
        "analyze",
    ),
    "accounts": ("create_user", "alter_user", "drop_user", "grant", "revoke"),
    "prepared": ("stmt_prepare", "stmt_execute", "stmt_close", "call_procedure", "kill"),
}
STATUS: dict[str, Metric] = {
    **{name: Metric(f"mysql_global_status_{name}", COUNTER, help) for name, help in _COUNTED.items()},
    **{name: Metric(f"mysql_global_status_{name}", GAUGE, help) for name, help in _MEASURED.items()},
}
"""Status variable, in small letters -> what it is shown as."""
GROUPS = (
    Group(
        Metric("mysql_global_status_commands_total", COUNTER, "Statements by their kind."),
        "com_",
        "command",
        tuple(kind for kinds in _KINDS.values() for kind in kinds),
    ),
    Group(
        Metric("mysql_global_status_handlers_total", COUNTER, "Operations on rows and transactions, by their kind."),
        "handler_",
        "handler",
        (
            "commit",
            "rollback",
            "write",
            "update",
            "delete",
            "read_first",
            "read_key",
            "read_next",
            "read_prev",
            "read_rnd",
            "read_rnd_next",
        ),
    ),
    Group(
        Metric("mysql_global_status_connection_errors_total", COUNTER, "Connections that the server did not take, by why."),
        "connection_errors_",
        "error",
        ("accept", "internal", "max_connections", "peer_address", "select", "tcpwrap"),
    ),
    Group(
        Metric("mysql_global_status_buffer_pool_pages", GAUGE, "Pages of the buffer pool by their state."),
        "innodb_buffer_pool_pages_",
        "state",
        ("data", "dirty", "free", "misc"),
    ),
    Group(
        Metric("mysql_global_status_buffer_pool_page_changes_total", COUNTER, "Pages of the buffer pool by what was done with them."),
        "innodb_buffer_pool_pages_",
        "operation",
        ("flushed", "lru_flushed", "made_young", "made_not_young"),
    ),
)
VARIABLES: dict[str, Metric] = {
    name: Metric(f"mysql_global_variables_{name}", GAUGE, help)
    for name, help in {
        "max_connections": "Connections that may be open at a time.",
        "innodb_buffer_pool_size": "Bytes that the buffer pool may have.",
        "innodb_log_file_size": "Bytes of the redo log.",
        "table_open_cache": "Tables that may stay open.",
        "long_query_time": "Seconds after which a statement counts as slow.",
        "read_only": "1 where the server takes no writes from clients.",
        "server_id": "Of the server at the term at which it became a primary.",
        "sync_binlog": "After how many commits the log of changes is flushed.",
        "innodb_flush_log_at_trx_commit": "1 where each commit is flushed.",
    }.items()
}
SOURCE: dict[str, Metric] = {
    name.lower(): Metric(f"mysql_slave_status_{name.lower()}", kind, help)
    for name, kind, help in (
        ("Slave_IO_Running", GAUGE, "1 where the replica receives from its source."),
        ("Slave_SQL_Running", GAUGE, "1 where the replica applies what it has received."),
        ("Seconds_Behind_Master", GAUGE, "Age of what is being applied; not there while the replica does not receive or apply."),
        ("Last_IO_Errno", GAUGE, "Number of the error for which nothing is received, 0 for none. 1236: the source has not what follows."),
        ("Last_SQL_Errno", GAUGE, "Number of the error for which nothing is applied, 0 for none. 1950: the data differ from the source's."),
        ("Relay_Log_Space", GAUGE, "Bytes that were received and are still kept."),
        ("Master_Server_Id", GAUGE, "The source's server_id."),
    )
}
"""Column of SHOW SLAVE STATUS, in small letters -> what it is shown as, with the label `master_host`."""

STATEMENTS = Metric(
    "pilothouse_mysql_statement_seconds",
    HISTOGRAM,
    "How long statements took. Only of MySQL with the parameter performance_schema=ON, which takes 100 to 230 MiB of memory.",
)
BOUNDS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Of its buckets."""

UP = Metric("mysql_up", GAUGE, "1 where the server answers the agent.")
SCRAPE_ERROR = Metric("mysql_exporter_last_scrape_error", GAUGE, "1 where the server did not give its figures this time, or not in time.")
MEASURED = Metric("pilothouse_mysql_measured_timestamp_seconds", GAUGE, "When these figures were taken.")
VERSION = Metric("mysql_version_info", GAUGE, "The server's version; always 1.")
BINLOG_SIZE = Metric("mysql_binlog_size_bytes", GAUGE, "Bytes of the log of changes on the volume.")
BINLOG_FILES = Metric("mysql_binlog_files", GAUGE, "Files of the log of changes.")
BINLOG_NUMBER = Metric("mysql_binlog_file_number", GAUGE, "Number of the newest of them.")
ROLE = Metric("pilothouse_mysql_role", GAUGE, "1 for the role that the member has: primary, replica or none.")
WRITABLE = Metric("pilothouse_mysql_writable", GAUGE, "1 where the member takes writes.")
TERM = Metric("pilothouse_mysql_term", GAUGE, "The highest term that the member has obeyed; each change of the primary has a higher one.")
APPLIED = Metric("pilothouse_mysql_order_applied", GAUGE, "1 where all that the operator wants of the member is so.")
SEQUENCE = Metric(
    "pilothouse_mysql_gtid_sequence", GAUGE, "Number of the last transaction: executed, and, of a replica, received from its source."
)
UNANSWERED = Metric("pilothouse_mysql_unanswered_seconds", GAUGE, "For how long a running server has not answered.")
UNTRUNCATED = Metric(
    "pilothouse_mysql_untruncated", GAUGE, "1 where an old primary's log has transactions that nobody acknowledged and that stay."
)
VOLUME_SIZE = Metric("pilothouse_mysql_volume_size_bytes", GAUGE, "Bytes of the member's volume.")
VOLUME_FREE = Metric("pilothouse_mysql_volume_free_bytes", GAUGE, "Bytes of it that are free.")
AGENT_CPU = Metric("process_cpu_seconds_total", COUNTER, "Seconds of CPU that the agent has taken.")
AGENT_MEMORY = Metric("process_resident_memory_bytes", GAUGE, "Bytes of memory that the agent has.")

ALWAYS = (
    *(UP, SCRAPE_ERROR, ROLE, WRITABLE, TERM, APPLIED, SEQUENCE, UNANSWERED, UNTRUNCATED, VOLUME_SIZE, VOLUME_FREE),
    *(MEASURED, VERSION, BINLOG_SIZE, BINLOG_FILES, BINLOG_NUMBER, AGENT_CPU, AGENT_MEMORY),
)
METRICS: tuple[Metric, ...] = (
    *(*ALWAYS, *STATUS.values(), *(group.metric for group in GROUPS), *VARIABLES.values(), *SOURCE.values()),
    STATEMENTS,
)
"""All of them, each once."""
