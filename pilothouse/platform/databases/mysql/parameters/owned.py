"""Settings that are not a user's: the platform makes them, or the promises that it gives depend on them."""

from collections.abc import Mapping

_DURABLE = "an acknowledged transaction could be lost"
_TOPOLOGY = "the platform sets it by the member's role"
_BY_FIELD = {
    "innodb_buffer_pool_size": "it follows spec.resources.memory: ph mysql resize NAME --memory ...",
    "innodb_buffer_pool_chunk_size": "it follows spec.resources.memory: ph mysql resize NAME --memory ...",
}
_UNSAFE = {
    "innodb_flush_log_at_trx_commit": _DURABLE,
    "sync_binlog": _DURABLE,
    "innodb_flush_method": _DURABLE,
    "innodb_flush_log_at_timeout": _DURABLE,
    "innodb_use_atomic_writes": "a page that is half written in a crash could not be mended",
    "slave_exec_mode": "replicas would differ without a word",
    "slave_ddl_exec_mode": "replicas would differ without a word",
    "slave_type_conversions": "replicas would differ without a word",
    "slave_transaction_retries": "a replica would stop at what passes by itself",
    "slave_transaction_retry_interval": "a replica would stop at what passes by itself",
    "slave_max_allowed_packet": "a replica would stop at a large transaction",
    "slave_max_statement_time": "a replica would stop at a long transaction",
    "relay_log_space_limit": "a replica would cease to receive, and writes would wait",
    "read_binlog_speed_limit": "a replica would fall behind, and writes would wait",
    "max_user_connections": "it bounds the platform's own accounts; accounts have maxConnections of their own",
    "max_password_errors": "one who guesses could lock the platform's own accounts out",
    "max_statement_time": "it bounds the platform's own statements; SET STATEMENT max_statement_time=... bounds one",
    "secure_timestamp": "replicas could not keep the times of transactions",
    "innodb_doublewrite": "a page that is half written in a crash could not be mended",
    "innodb_fast_shutdown": "an upgrade needs a clean stop",
    "innodb_force_recovery": "it is for a server that is taken apart by hand",
    "innodb_checksum_algorithm": "pages that are damaged would not be noticed",
    "innodb_read_only": "the server could not be written to",
    "binlog_format": "replicas and backups need rows",
    "binlog_row_image": "point-in-time restores need whole rows",
    "log_slave_updates": "a replica could not take over",
    "binlog_checksum": "a damaged log would not be noticed",
    "local_infile": "it gives files of a client to whoever controls the server",
    "old_passwords": "it weakens passwords",
    "require_secure_transport": "connections are encrypted",
    "skip_grant_tables": "everybody could do everything",
    "skip_networking": "nobody could connect",
    "skip_name_resolve": "names of clients cannot be looked up in a cluster",
    "symbolic_links": "tables could lie outside of the volume",
    "lower_case_table_names": "it cannot be changed once there are tables",
    "innodb_page_size": "it cannot be changed once there are tables",
}
_OURS = (
    "bind_address",
    "expire_logs_days",
    "binlog_expire_logs_seconds",
    "event_scheduler",
    "extra_port",
    "init_rpl_role",
    "large_pages",
    "log_bin_compress",
    "log_warnings",
    "memlock",
    "open_files_limit",
    "port",
    "read_only",
    "replicate_annotate_row_events",
    "report_port",
    "server_id",
    "slave_connections_needed_for_purge",
    "slave_net_timeout",
    "slave_parallel_threads",
    "slow_query_log_file",
    "encrypt_binlog",
    "encrypt_tmp_disk_tables",
    "encrypt_tmp_files",
    "tls_version",
    "unix_socket",
)
_OURS_BEGIN = ("gtid_", "rpl_semi_sync_", "relay_log", "innodb_encrypt", "innodb_log_file_", "proxy_protocol", "plugin_", "ssl_")
_FREE = ("innodb_log_file_size", "innodb_log_file_buffering")


def why_not(name: str) -> str:
    """Why a user may not set it, as a half sentence; "" when he may."""
    if name in _BY_FIELD:
        return _BY_FIELD[name]
    if name in _UNSAFE:
        return _UNSAFE[name]
    ours = name in _OURS or (name.startswith(_OURS_BEGIN) and name not in _FREE)
    return _TOPOLOGY if ours else ""


def unsafe() -> Mapping[str, str]:
    """Those that are refused for what they would do, with the reason: for the documentation."""
    return dict(_UNSAFE)
