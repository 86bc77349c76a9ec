import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.platform.databases.mysql.parameters.catalogue import variables
from pilothouse.platform.databases.mysql.parameters.check import faults, need_restart, normalized
from pilothouse.platform.databases.mysql.parameters.owned import why_not
from tests.platform.databases.parameters import making


def test_what_can_be_set_is_normalized() -> None:
    given = {
        "max-connections": "500",
        "MAX_ALLOWED_PACKET": "64M",
        "tx_isolation": "serializable",
        "slow_query_log": "1",
        "sql_mode": "ansi",
    }
    assert not faults("mariadb", given)
    assert normalized("mariadb", given) == {
        "max_connections": "500",
        "max_allowed_packet": "67108864",
        "tx_isolation": "SERIALIZABLE",
        "slow_query_log": "ON",
        "sql_mode": "ANSI",
    }


def test_a_setting_has_one_name() -> None:
    given = {"max-connections": "200", "max_connections": "300"}
    assert faults("mariadb", given) == ["parameters max-connections and max_connections are the same one: leave one out"]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("max_conections", "3", "there is no parameter max_conections of mariadb; did you mean max_connections?"),
        ("max_connections", "1", "parameter max_connections: '1' is below 10, the least there is"),
        ("max_connections", "many", "parameter max_connections: 'many' is no whole number, such as 100 or 64M"),
        ("sync_binlog", "0", "parameter sync_binlog cannot be set: an acknowledged transaction could be lost"),
        ("gtid_domain_id", "3", "parameter gtid_domain_id cannot be set: the platform sets it by the member's role"),
        ("event_scheduler", "ON", "cannot be set: events would stand still after a switchover or a failover"),
        ("slow_query_log", "maybe", "parameter slow_query_log: 'maybe' is neither ON nor OFF"),
        ("tx_isolation", "NONE", "is none of READ-UNCOMMITTED, READ-COMMITTED"),
        ("time_zone", "Europe/Berlin", "is no offset, such as +01:00"),
        ("optimizer_switch", "index_merge=perhaps", "has 'index_merge=perhaps', which is not FLAG=on"),
        ("character_set_server", "utf8; DROP", "is no name, such as utf8mb4"),
        ("long_query_time", "1e400", "is no number, such as 0.5"),
    ],
)
def test_each_fault_is_one_sentence(name: str, value: str, fault: str) -> None:
    (said,) = faults("mariadb", {name: value})
    assert fault in said


def test_which_changes_need_a_restart() -> None:
    before = {"performance_schema": "OFF", "max_connections": "100"}
    assert need_restart("mariadb", before, {"performance-schema": "ON", "max_connections": "200"}) == ["performance_schema"]
    assert need_restart("mariadb", before, {"performance_schema": "0", "max_connections": "100"}) == []


DECIDED = {
    "mariadb": {
        "slave_compressed_protocol",
        "slave_domain_parallel_threads",
        "slave_parallel_max_queued",
        "slave_run_triggers_for_rbr",
        "slave_sql_verify_checksum",
        "innodb_flush_neighbors",
        "innodb_flush_sync",
        "innodb_flushing_avg_loops",
        "sync_frm",
        "sync_master_info",
        "sync_relay_log",
        "sync_relay_log_info",
    },
    "mysql": {
        "binlog_cache_size",
        "binlog_direct_non_transactional_updates",
        "binlog_group_commit_sync_delay",
        "binlog_group_commit_sync_no_delay_count",
        "binlog_max_flush_queue_time",
        "binlog_row_event_max_size",
        "binlog_row_metadata",
        "binlog_rows_query_log_events",
        "binlog_stmt_cache_size",
        "binlog_transaction_compression_level_zstd",
        "binlog_transaction_dependency_history_size",
        "binlog_transaction_dependency_tracking",
        "innodb_flush_neighbors",
        "innodb_flush_sync",
        "innodb_flushing_avg_loops",
        "replica_allow_batching",
        "replica_checkpoint_group",
        "replica_checkpoint_period",
        "replica_compressed_protocol",
        "replica_parallel_workers",
        "replica_pending_jobs_size_max",
        "slave_rows_search_algorithms",
        "sync_relay_log",
        "sync_relay_log_info",
        "sync_source_info",
    },
}
"""Settings of replicas and of what is written when that are a user's: none of them loses or hides anything."""
OF_REPLICAS = {"mariadb": ("slave_",), "mysql": ("slave_", "replica_", "binlog_", "source_")}


@pytest.mark.parametrize("flavour", DECIDED)
def test_each_setting_of_replicas_and_of_what_is_written_when_is_decided_on(flavour: str) -> None:
    begin = (*OF_REPLICAS[flavour], "innodb_flush", "sync_", "max_user", "relay_")
    asked = [name for name in variables(flavour) if name.startswith(begin)]
    assert {name for name in asked if not why_not(flavour, name)} == DECIDED[flavour]


@pytest.mark.parametrize("flavour", DECIDED)
def test_nothing_that_names_a_place_is_in_the_catalogue(flavour: str) -> None:
    words = [name for name, each in variables(flavour).items() if each.kind != "switch"]
    assert not [name for name in words if name.endswith(("_file", "_path", "datadir", "tmpdir", "socket"))]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("slave_net_timeout", "3", "parameter slave_net_timeout cannot be set: the platform sets it by the member's role"),
        (
            "log_slow_slave_statements",
            "1",
            "there is no parameter log_slow_slave_statements of mysql; did you mean log_slow_replica_statements?",
        ),
        ("innodb_log_file_size", "64M", "cannot be set: innodb_redo_log_capacity counts in its place"),
        ("innodb_redo_log_capacity", "1M", "is below 8388608, the least there is"),
        ("aria_block_size", "8192", "there is no parameter aria_block_size of mysql"),
        ("default_password_lifetime", "90", "the platform's own accounts would end"),
        ("tx_isolation", "SERIALIZABLE", "there is no parameter tx_isolation of mysql; did you mean transaction_isolation?"),
        ("transaction_isolation", "NONE", "is none of READ-UNCOMMITTED, READ-COMMITTED, REPEATABLE-READ, SERIALIZABLE"),
    ],
)
def test_mysql_has_settings_of_its_own(name: str, value: str, fault: str) -> None:
    (said,) = faults("mysql", {name: value})
    assert fault in said


def test_what_mysql_can_be_told_is_normalized_and_says_what_needs_a_restart() -> None:
    given = {"innodb-redo-log-capacity": "64M", "sql_mode": "ansi_quotes", "long_query_time": "0.5", "performance_schema": "1"}
    assert not faults("mysql", given)
    assert normalized("mysql", given)["innodb_redo_log_capacity"] == "67108864"
    assert need_restart("mysql", {}, given) == ["performance_schema"]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("PILOTHOUSE_MYSQL_ROOT"), reason="PILOTHOUSE_MYSQL_ROOT names no file system with a MySQL server")
@pytest.mark.timeout(600)
def test_the_catalogue_of_mysql_is_what_its_server_says(tmp_path: Path) -> None:
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", os.environ["PILOTHOUSE_MYSQL_ROOT"], root], check=True)
    argv = [sys.executable, "-m", making.__name__, str(root)]
    said = subprocess.run(argv, check=True, stdout=subprocess.PIPE).stdout
    assert json.loads(said) == json.loads(Path(making.CATALOGUE).read_text())
