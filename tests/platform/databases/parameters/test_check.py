import pytest

from pilothouse.platform.databases.mysql.parameters.catalogue import variables
from pilothouse.platform.databases.mysql.parameters.check import faults, need_restart, normalized
from pilothouse.platform.databases.mysql.parameters.owned import why_not


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


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("max_conections", "3", "there is no parameter max_conections of mariadb; did you mean max_connections?"),
        ("max_connections", "1", "parameter max_connections: '1' is below 10, the least there is"),
        ("max_connections", "many", "parameter max_connections: 'many' is no whole number, such as 100 or 64M"),
        ("sync_binlog", "0", "parameter sync_binlog cannot be set: an acknowledged transaction could be lost"),
        ("gtid_domain_id", "3", "parameter gtid_domain_id cannot be set: the platform sets it by the member's role"),
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
    "slave_compressed_protocol",
    "slave_domain_parallel_threads",
    "slave_parallel_max_queued",
    "slave_parallel_workers",
    "slave_run_triggers_for_rbr",
    "slave_sql_verify_checksum",
    "innodb_flush_neighbors",
    "innodb_flush_sync",
    "innodb_flushing_avg_loops",
    "sync_frm",
    "sync_master_info",
    "sync_relay_log",
    "sync_relay_log_info",
}
"""Settings of replicas and of what is written when that are a user's: none of them loses or hides anything."""


def test_each_setting_of_replicas_and_of_what_is_written_when_is_decided_on() -> None:
    asked = [name for name in variables("mariadb") if name.startswith(("slave_", "innodb_flush", "sync_", "max_user", "relay_"))]
    assert {name for name in asked if not why_not(name)} == DECIDED


def test_nothing_that_names_a_place_is_in_the_catalogue() -> None:
    assert not [name for name in variables("mariadb") if name.endswith(("_file", "_path", "datadir", "tmpdir", "socket"))]
