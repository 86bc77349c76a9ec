"""MySQL's figures under the names that MariaDB's have. A stand-in answers for the server: what it says is what 8.0.46 said."""

from typing import cast

from pilothouse.platform.databases.inside.agent.metrics.readings import read
from pilothouse.platform.databases.inside.agent.sql import Row, Sql


class Answers:
    """asked: the statements."""

    def __init__(self, *, measures: bool) -> None:
        self.measures = measures
        self.asked: list[str] = []

    def row(self, text: str) -> Row:
        self.asked.append(text)
        if text == "SHOW REPLICA STATUS":
            return {"Source_Host": "orders-0", "Replica_IO_Running": "No", "Seconds_Behind_Source": None, "Last_IO_Errno": 13114}
        if "SUM_TIMER_WAIT" in text:
            return {"took": 2_500_000_000_000}
        return {"version": "8.0.46", "innodb_log_file_size": 104857600, "performance_schema": int(self.measures)}

    def rows(self, text: str) -> list[Row]:
        self.asked.append(text)
        if "INNODB_METRICS" in text:
            return [{"name": "lock_deadlocks", "value": 2}]
        if "histogram" in text:
            return [{"high": 10_000_000, "count": 1}, {"high": 2_000_000_000_000, "count": 4}]
        return [{"Variable_name": "Rpl_semi_sync_source_clients", "Value": "2"}, {"Variable_name": "Uptime", "Value": "7"}]


def test_words_of_replication_are_those_of_the_catalogue() -> None:
    server = Answers(measures=False)
    found = read(cast("Sql", server), "mysql")
    assert found.status == {"rpl_semi_sync_master_clients": "2", "uptime": "7", "innodb_deadlocks": 2}
    assert found.source["master_host"] == "orders-0"
    assert found.source["slave_io_running"] == "No"
    assert found.source["last_io_errno"] == 1236
    assert found.variables == {"version": "8.0.46", "innodb_log_file_size": 104857600}
    assert not found.statements
    assert "'rpl_semi_sync_source_clients'" in server.asked[0]


def test_statements_are_measured_where_the_performance_schema_is_on() -> None:
    found = read(cast("Sql", Answers(measures=True)), "mysql")
    assert found.status["query_time"] == 2.5
    assert list(found.statements) == [(0.00001, 1), (2.0, 4)]
