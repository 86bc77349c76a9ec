import math
from pathlib import Path

import pytest

from pilothouse.platform.databases.inside.agent.changes import Log
from pilothouse.platform.databases.inside.agent.metrics import catalogue, samples
from pilothouse.platform.databases.inside.agent.metrics.catalogue import GAUGE, Metric
from pilothouse.platform.databases.inside.agent.metrics.exposition import Sample, text

SIZE = Metric("size_bytes", GAUGE, "How large.\nIn bytes.")
STATE = {
    "answers": True,
    "role": "replica",
    "writable": False,
    "term": 3,
    "applied": True,
    "unanswered_s": 0.0,
    "untruncated": False,
    "gtid": {"executed": "0-17-55", "received": "0-17-57", "state": "0-17-55"},
    "disk": {"size": 1000, "free": 250},
}


def shown(name: str, found: list[Sample]) -> list[tuple[dict[str, str], float]]:
    return [(dict(each.labels), each.value) for each in found if each.metric.name == name]


def test_samples_of_a_metric_stand_together_under_one_head() -> None:
    other = Metric("other", GAUGE, "Other.")
    found = text([Sample(SIZE, 1.0, {"kind": "a"}), Sample(other, 0.5, {}), Sample(SIZE, 2e9, {"kind": 'b"\\'})], {"member": "orders-0"})
    assert found == (
        "# HELP size_bytes How large.\\nIn bytes.\n# TYPE size_bytes gauge\n"
        'size_bytes{member="orders-0",kind="a"} 1\nsize_bytes{member="orders-0",kind="b\\"\\\\"} 2000000000\n'
        '# HELP other Other.\n# TYPE other gauge\nother{member="orders-0"} 0.5\n'
    )


def test_each_metric_is_in_the_catalogue_once() -> None:
    names = [each.name for each in catalogue.METRICS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("ON", 1),
        ("Yes", 1),
        ("No", 0),
        ("Connecting", 0),
        (7, 7),
        ("0.25", 0.25),
        (None, None),
        ("", None),
        ("binlog.000001", None),
        ("nan", None),
    ],
)
def test_words_of_the_server_are_numbers_and_other_texts_are_not(value: object, number: float | None) -> None:
    assert samples.number(value) == number


def test_the_state_says_role_positions_and_room() -> None:
    found = list(samples.of_state(STATE))
    assert shown("pilothouse_mysql_role", found) == [({"role": "primary"}, 0), ({"role": "replica"}, 1), ({"role": "none"}, 0)]
    assert shown("pilothouse_mysql_gtid_sequence", found) == [({"kind": "executed"}, 55), ({"kind": "received"}, 57)]
    assert shown("pilothouse_mysql_volume_free_bytes", found) == [({}, 250)]


def test_an_agent_without_a_server_says_that_it_is_down() -> None:
    found = list(samples.of_state({"answers": False, "role": "none", "gtid": None, "disk": {"size": 10, "free": 5}, "unanswered_s": 4.5}))
    assert shown("mysql_up", found) == [({}, 0)]
    assert shown("pilothouse_mysql_unanswered_seconds", found) == [({}, 4.5)]
    assert not shown("pilothouse_mysql_gtid_sequence", found)


def test_a_replica_that_cannot_say_its_lag_says_none() -> None:
    source = {"master_host": "orders-0", "slave_io_running": "Connecting", "slave_sql_running": "Yes", "seconds_behind_master": None}
    found = list(samples.of_server(samples.Readings(source=source)))
    assert shown("mysql_slave_status_slave_io_running", found) == [({"master_host": "orders-0"}, 0)]
    assert not shown("mysql_slave_status_seconds_behind_master", found)


def test_commands_are_told_apart_by_a_label() -> None:
    found = list(samples.of_server(samples.Readings(status={"com_select": "12", "connection_errors_max_connections": "3"})))
    assert shown("mysql_global_status_commands_total", found) == [({"command": "select"}, 12)]
    assert shown("mysql_global_status_connection_errors_total", found) == [({"error": "max_connections"}, 3)]


def test_no_logs_are_no_bytes() -> None:
    assert shown("mysql_binlog_size_bytes", list(samples.of_logs([]))) == [({}, 0)]
    logs = [Log(Path(f"binlog.{number:06d}"), 5, 0.0) for number in (9, 10)]
    assert shown("mysql_binlog_file_number", list(samples.of_logs(logs))) == [({}, 10)]


def test_no_value_is_without_an_end() -> None:
    assert samples.number("inf") is None
    assert not math.isnan(sum(each.value for each in samples.of_state(STATE)))


STATEMENTS = ((0.00009, 3), (0.0004, 5), (0.0006, 6), (20.0, 8))
"""As the server has them: seconds, and how many took no longer."""


def test_statements_are_counted_by_the_buckets_that_they_surely_belong_to() -> None:
    found = list(samples.of_server(samples.Readings(status={"query_time": 12.5}, statements=STATEMENTS)))
    lines = text(found, {}).splitlines()
    name = "pilothouse_mysql_statement_seconds"
    assert f"# TYPE {name} histogram" in lines
    for bound, count in (("0.0001", 3), ("0.0005", 5), ("0.001", 6), ("10", 6), ("+Inf", 8)):
        assert f'{name}_bucket{{le="{bound}"}} {count}' in lines
    assert f"{name}_sum{{}} 12.5" in lines
    assert f"{name}_count{{}} 8" in lines


def test_a_server_that_does_not_measure_statements_says_no_histogram() -> None:
    assert not shown("pilothouse_mysql_statement_seconds", list(samples.of_server(samples.Readings(status={"queries": "1"}))))
