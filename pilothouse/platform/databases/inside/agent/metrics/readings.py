"""What is asked of a server for its figures, by its flavour, and given the names that the catalogue has: those of MariaDB.

Each statement answers while commits wait for acknowledgements, and takes a second at most.
"""

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.platform.databases.inside.agent.metrics import catalogue
from pilothouse.platform.databases.inside.agent.metrics.samples import Readings
from pilothouse.platform.databases.inside.agent.sql import Sql

PICOSECONDS = 1e12
_ERRORS = {13114: 1236}
"""Both say that the source has not what comes next: the server's own log has another number for it than the protocol."""
_TEXTS = ("version", "version_comment")
_STATUS = tuple(dict.fromkeys([*catalogue.STATUS, *(group.prefix + part for group in catalogue.GROUPS for part in group.parts)]))
_MEASURED_BY_INNODB = {
    "lock_deadlocks": "innodb_deadlocks",
    "trx_rseg_history_len": "innodb_history_list_length",
    "log_lsn_checkpoint_age": "innodb_checkpoint_age",
}
"""Of information_schema.INNODB_METRICS -> the status variable of MariaDB."""


def read(sql: Sql, flavour: str) -> Readings:
    """Raises Unreachable, Refused."""
    return _of_mysql(sql) if flavour == "mysql" else _of_mariadb(sql)


def _of_mariadb(sql: Sql) -> Readings:
    variables = sql.row(_select((*catalogue.VARIABLES, *_TEXTS), {}))
    return Readings(_status(sql, _STATUS), variables, {name.lower(): value for name, value in sql.row("SHOW SLAVE STATUS").items()})


def _of_mysql(sql: Sql) -> Readings:
    status = {_old(name): value for name, value in _status(sql, [_new(name) for name in _STATUS]).items()}
    names = (*catalogue.VARIABLES, *_TEXTS, "performance_schema")
    variables = dict(sql.row(_select(names, {"innodb_log_file_size": "innodb_redo_log_capacity"})))
    source = {_old(name.lower()): _ERRORS.get(value, value) for name, value in sql.row("SHOW REPLICA STATUS").items()}
    listed = ", ".join(f"'{name}'" for name in _MEASURED_BY_INNODB)
    for row in sql.rows(f"SELECT NAME AS name, COUNT AS value FROM information_schema.INNODB_METRICS WHERE NAME IN ({listed})"):  # noqa: S608
        status[_MEASURED_BY_INNODB[str(row["name"])]] = row["value"]
    if not variables.pop("performance_schema"):
        return Readings(status, variables, source)
    took = sql.row("SELECT SUM(SUM_TIMER_WAIT) AS took FROM performance_schema.events_statements_summary_global_by_event_name")["took"]
    status["query_time"] = float(took or 0) / PICOSECONDS
    return Readings(status, variables, source, _statements(sql))


def _statements(sql: Sql) -> Sequence[tuple[float, int]]:
    rows = sql.rows(
        "SELECT BUCKET_TIMER_HIGH AS high, COUNT_BUCKET_AND_LOWER AS count FROM performance_schema.events_statements_histogram_global "
        "ORDER BY BUCKET_NUMBER"
    )
    return [(int(row["high"]) / PICOSECONDS, int(row["count"])) for row in rows]


def _status(sql: Sql, names: Iterable[str]) -> dict[str, object]:
    listed = ", ".join(f"'{name}'" for name in names)
    return {str(row["Variable_name"]).lower(): row["Value"] for row in sql.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({listed})")}


def _select(names: Iterable[str], renamed: Mapping[str, str]) -> str:
    return "SELECT " + ", ".join(f"@@global.{renamed.get(name, name)} AS {name}" for name in names)


def _new(name: str) -> str:
    """Only what is of replication has other words: Com_show_slave_status is counted under both."""
    return name.replace("master", "source").replace("slave", "replica") if name.startswith(("rpl_", "slave_")) else name


def _old(name: str) -> str:
    return name.replace("source", "master").replace("replica", "slave")
