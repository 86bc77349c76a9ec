"""Settings that are not a user's: the platform makes them, or the promises that it gives depend on them."""

from collections.abc import Mapping
from dataclasses import dataclass

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
    "event_scheduler": "events would stand still after a switchover or a failover; a scheduled process of an app, or a CronJob, goes on",
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
    "slave_parallel_workers",
    "slow_query_log_file",
    "encrypt_binlog",
    "encrypt_tmp_disk_tables",
    "encrypt_tmp_files",
    "tls_version",
    "unix_socket",
)
_OURS_BEGIN = ("gtid_", "rpl_semi_sync_", "relay_log", "innodb_encrypt", "innodb_log_file_", "proxy_protocol", "plugin_", "ssl_")
_FREE = ("innodb_log_file_size", "innodb_log_file_buffering")


_UNSAFE_IN_MYSQL = {
    "replica_exec_mode": "replicas would differ without a word",
    "replica_type_conversions": "replicas would differ without a word",
    "replica_transaction_retries": "a replica would stop at what passes by itself",
    "replica_max_allowed_packet": "a replica would stop at a large transaction",
    "replica_preserve_commit_order": "a replica that takes over could have gaps",
    "log_replica_updates": "a replica could not take over",
    "source_verify_checksum": "a damaged log would not be noticed",
    "replica_sql_verify_checksum": "a damaged log would not be noticed",
    "binlog_error_action": "a transaction could be missing in the log of changes",
    "binlog_order_commits": "replicas would commit in another order",
    "binlog_transaction_compression": "the platform reads the log of changes when it recovers and archives",
    "innodb_log_checksums": "a damaged log would not be noticed",
    "innodb_force_load_corrupted": "it is for a server that is taken apart by hand",
    "innodb_dedicated_server": "the server would take the memory of its whole node",
    "default_table_encryption": "there is no store for keys here: encrypt the volume",
    "binlog_encryption": "there is no store for keys here: encrypt the volume",
    "binlog_rotate_encryption_master_key_at_startup": "there is no store for keys here: encrypt the volume",
    "default_password_lifetime": "the platform's own accounts would end; ph mysql rotate NAME gives new passwords",
    "disconnect_on_expired_password": "it has no use where passwords do not end",
    "partial_revokes": "rights would mean something else than the grants of MySQLUsers say",
    "transaction_read_only": "the platform writes, too",
    "max_execution_time": "it bounds the platform's own statements; the hint MAX_EXECUTION_TIME bounds one",
    "offline_mode": "nobody could connect",
    "thread_handling": "there would be one connection at a time",
    "log_raw": "passwords would stand in logs",
    "innodb_log_file_size": "innodb_redo_log_capacity counts in its place",
    "innodb_log_files_in_group": "innodb_redo_log_capacity counts in its place",
}
_OURS_IN_MYSQL = (
    "auto_generate_certs",
    "binlog_expire_logs_auto_purge",
    "binlog_gtid_simple_recovery",
    "caching_sha2_password_auto_generate_rsa_keys",
    "create_admin_listener_thread",
    "enforce_gtid_consistency",
    "innodb_buffer_pool_instances",
    "log_bin_use_v1_row_events",
    "persist_sensitive_variables_in_plaintext",
    "persisted_globals_load",
    "replica_net_timeout",
    "replica_parallel_type",
    "server_id_bits",
    "sha256_password_auto_generate_rsa_keys",
    "skip_replica_start",
    "super_read_only",
    "terminology_use_previous",
)
_BEGIN_IN_MYSQL = ("admin_", "group_replication_", "mysqlx_", "replication_")


@dataclass(frozen=True, slots=True)
class _Owned:
    """unsafe: name -> what it would do. ours, begin: names, and beginnings of names. free: exceptions of the latter."""

    unsafe: Mapping[str, str]
    ours: tuple[str, ...]
    begin: tuple[str, ...]
    free: tuple[str, ...] = ()


_OWNED = {
    "mariadb": _Owned(_UNSAFE, _OURS, _OURS_BEGIN, _FREE),
    "mysql": _Owned(_UNSAFE | _UNSAFE_IN_MYSQL, (*_OURS, *_OURS_IN_MYSQL), (*_OURS_BEGIN, *_BEGIN_IN_MYSQL)),
}


def why_not(flavour: str, name: str) -> str:
    """Why a user may not set it, as a half sentence; "" when he may."""
    owned = _OWNED[flavour]
    if name in _BY_FIELD:
        return _BY_FIELD[name]
    if name in owned.unsafe:
        return owned.unsafe[name]
    ours = name in owned.ours or (name.startswith(owned.begin) and name not in owned.free)
    return _TOPOLOGY if ours else ""


def unsafe(flavour: str) -> Mapping[str, str]:
    """Those that are refused for what they would do, with the reason: for the documentation."""
    return dict(_OWNED[flavour].unsafe)
