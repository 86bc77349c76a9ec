"""Each alert fires for what it says and for nothing else: by Prometheus' own program for tests of rules."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pilothouse.platform.databases.mysql.monitoring.rules import text

INSTANCE = 'namespace="shop",mysql="orders"'
PRIMARY, REPLICA = f'{INSTANCE},member="orders-0"', f'{INSTANCE},member="orders-1"'
SOURCE = f'{REPLICA},master_host="orders-0"'
LAST = "pilothouse_mysql_backup_last"
NEVER, NOW = "", "now"
HEALTHY = {
    f"mysql_up{{{PRIMARY}}}": "1",
    f"mysql_up{{{REPLICA}}}": "1",
    'up{job="pilothouse-mysql",instance="10.0.0.1:8443"}': "1",
    f"pilothouse_mysql_writable{{{PRIMARY}}}": "1",
    f"pilothouse_mysql_writable{{{REPLICA}}}": "0",
    f"pilothouse_mysql_ready{{{INSTANCE}}}": "1",
    f"mysql_global_status_rpl_semi_sync_master_status{{{PRIMARY}}}": "1",
    f"mysql_global_status_rpl_semi_sync_master_clients{{{PRIMARY}}}": "1",
    f"mysql_global_status_rpl_semi_sync_master_status{{{REPLICA}}}": "0",
    f"mysql_global_status_rpl_semi_sync_master_clients{{{REPLICA}}}": "0",
    f"mysql_slave_status_slave_io_running{{{SOURCE}}}": "1",
    f"mysql_slave_status_slave_sql_running{{{SOURCE}}}": "1",
    f"mysql_slave_status_seconds_behind_master{{{SOURCE}}}": "0",
    f"mysql_slave_status_last_io_errno{{{SOURCE}}}": "0",
    f"mysql_slave_status_last_sql_errno{{{SOURCE}}}": "0",
    f"pilothouse_mysql_untruncated{{{REPLICA}}}": "0",
    f"pilothouse_mysql_member_errant{{{REPLICA}}}": "0",
    f"pilothouse_mysql_volume_size_bytes{{{PRIMARY}}}": "1000",
    f"pilothouse_mysql_volume_free_bytes{{{PRIMARY}}}": "500",
    f"mysql_global_status_threads_connected{{{PRIMARY}}}": "10",
    f"mysql_global_variables_max_connections{{{PRIMARY}}}": "40",
    f'mysql_global_status_connection_errors_total{{{PRIMARY},error="max_connections"}}': "3",
    f"pilothouse_mysql_backup_scheduled{{{INSTANCE}}}": "1",
    f"pilothouse_mysql_backup_verified_wanted{{{INSTANCE}}}": "1",
    f"{LAST}_failed{{{INSTANCE}}}": "0",
    f"{LAST}_success_timestamp_seconds{{{INSTANCE}}}": NOW,
    f"{LAST}_verified_timestamp_seconds{{{INSTANCE}}}": NOW,
    f"pilothouse_mysql_archived_until_timestamp_seconds{{{INSTANCE}}}": NOW,
}
"""A figure, one that grows by so much with each of the steps, or that is the time."""
STEPS = 100
MINUTES = {"MySQLBackupOld": 120, "MySQLNoBackup": 120, "MySQLBackupNotVerified": 120}
"""Of a step: alerts that come after days."""
CASES: dict[str, dict[str, str]] = {
    "MySQLNoPrimary": {f"pilothouse_mysql_writable{{{PRIMARY}}}": "0"},
    "MySQLMemberDown": {f"mysql_up{{{REPLICA}}}": "0"},
    "MySQLMemberNotMeasured": {'up{job="pilothouse-mysql",instance="10.0.0.1:8443"}': "0"},
    "MySQLNotReady": {f"pilothouse_mysql_ready{{{INSTANCE}}}": "0"},
    "MySQLNoAcknowledgingReplica": {f"mysql_global_status_rpl_semi_sync_master_clients{{{PRIMARY}}}": "0"},
    "MySQLReplicationStopped": {f"mysql_slave_status_slave_sql_running{{{SOURCE}}}": "0"},
    "MySQLReplicationLag": {f"mysql_slave_status_seconds_behind_master{{{SOURCE}}}": "31"},
    "MySQLReplicaDiverged": {f"mysql_slave_status_last_sql_errno{{{SOURCE}}}": "1950"},
    "MySQLVolumeNearlyFull": {f"pilothouse_mysql_volume_free_bytes{{{PRIMARY}}}": "149"},
    "MySQLVolumeFull": {f"pilothouse_mysql_volume_free_bytes{{{PRIMARY}}}": "49"},
    "MySQLManyConnections": {f"mysql_global_status_threads_connected{{{PRIMARY}}}": "35"},
    "MySQLConnectionsRefused": {f'mysql_global_status_connection_errors_total{{{PRIMARY},error="max_connections"}}': "0+1"},
    "MySQLBackupFailed": {f"{LAST}_failed{{{INSTANCE}}}": "1"},
    "MySQLBackupOld": {f"{LAST}_success_timestamp_seconds{{{INSTANCE}}}": "0"},
    "MySQLNoBackup": {f"{LAST}_success_timestamp_seconds{{{INSTANCE}}}": NEVER},
    "MySQLBackupNotVerified": {f"{LAST}_verified_timestamp_seconds{{{INSTANCE}}}": "0"},
    "MySQLArchiveBroken": {f"pilothouse_mysql_archive_broken{{{INSTANCE}}}": "1"},
    "MySQLArchiveBehind": {f"pilothouse_mysql_archived_until_timestamp_seconds{{{INSTANCE}}}": "0"},
}
ALSO = {"MySQLVolumeFull": ["MySQLVolumeNearlyFull"]}


def check(place: Path, figures: dict[str, str], firing: list[str], minutes: int) -> None:
    """After all the steps exactly these alerts fire."""
    (place / "rules.yaml").write_text(text())
    question = {
        "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
        "eval_time": f"{minutes * STEPS}m",
        "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(firing)],
    }
    series = [{"series": name, "values": values(value, minutes)} for name, value in figures.items() if value]
    test = {"interval": f"{minutes}m", "input_series": series, "promql_expr_test": [question]}
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{minutes}m", "tests": [test]}
    (place / "test.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run(["promtool", "test", "rules", "test.yaml"], cwd=place, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def values(value: str, minutes: int) -> str:
    """As promtool writes a series."""
    if value == NOW:
        value = f"0+{60 * minutes}"
    return f"{value}x{STEPS}" if "+" in value else f"{value}+0x{STEPS}"


def test_nothing_fires_while_all_is_well(tmp_path: Path) -> None:
    for minutes in (10, 120):
        check(tmp_path, HEALTHY, [], minutes)


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_for_what_it_says(tmp_path: Path, alert: str) -> None:
    check(tmp_path, HEALTHY | CASES[alert], [alert, *ALSO.get(alert, [])], MINUTES.get(alert, 10))


@pytest.mark.parametrize("figure", ["pilothouse_mysql_untruncated", "pilothouse_mysql_member_errant"])
def test_a_member_that_the_operator_found_to_differ_is_diverged(tmp_path: Path, figure: str) -> None:
    check(tmp_path, HEALTHY | {f"{figure}{{{REPLICA}}}": "1"}, ["MySQLReplicaDiverged"], 10)


def test_a_backup_that_was_never_compared_is_told(tmp_path: Path) -> None:
    check(tmp_path, HEALTHY | {f"{LAST}_verified_timestamp_seconds{{{INSTANCE}}}": NEVER}, ["MySQLBackupNotVerified"], 120)


def test_every_alert_is_tried() -> None:
    names = [rule["alert"] for group in yaml.safe_load(text())["groups"] for rule in group["rules"]]
    assert sorted(names) == sorted(CASES)
