"""The main figures of members, out of what these measure (pure): a figure a row, a member a column."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.cli.mysql.samples import Sample
from pilothouse.cli.mysql.show import binary

NONE = "-"
"""Where a member does not say."""
READS = ("select",)
WRITES = ("insert", "insert_select", "update", "update_multi", "delete", "delete_multi", "replace", "replace_select", "load")
STATUS = "mysql_global_status_"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a member measured at two times, or at one. Rates are those between the two."""

    first: Mapping[tuple[str, str], float]
    last: Mapping[tuple[str, str], float]

    @classmethod
    def of(cls, first: Sequence[Sample], last: Sequence[Sample]) -> "Measured":
        return cls({_key(each): each.value for each in first}, {_key(each): each.value for each in last})

    def value(self, name: str, own: str = "") -> float | None:
        """own: the label that is the metric's own, as `state=dirty`."""
        return self.last.get((name, own))

    def rate(self, name: str, *owns: str) -> float | None:
        """A second, of all these series together. None for a server that was started between."""
        took_s = self._grown("pilothouse_mysql_measured_timestamp_seconds", "")
        grown = [self._grown(name, own) for own in owns or ("",)]
        if not took_s or any(each is None or each < 0 for each in grown):
            return None
        return sum(each for each in grown if each is not None) / took_s

    def _grown(self, name: str, own: str) -> float | None:
        before, after = self.first.get((name, own)), self.last.get((name, own))
        return None if before is None or after is None else after - before


def rows(members: Sequence[Measured]) -> Iterator[list[str]]:
    for title, figure in FIGURES.items():
        yield [title, *(figure(each) for each in members)]


def _key(one: Sample) -> tuple[str, str]:
    own = [f"{name}={value}" for name, value in one.labels.items() if name not in ("namespace", "mysql", "member", "master_host")]
    return one.name, ",".join(own)


def _role(member: Measured) -> str:
    return next((role for role in ("primary", "replica") if member.value("pilothouse_mysql_role", f"role={role}")), NONE)


def _up(member: Measured) -> str:
    if not member.value("mysql_up"):
        return "does not answer"
    return _duration(member.value(f"{STATUS}uptime"))


def _kinds(*kinds: str) -> Callable[[Measured], str]:
    return lambda member: _number(member.rate(f"{STATUS}commands_total", *(f"command={each}" for each in kinds)))


def _rate(name: str) -> Callable[[Measured], str]:
    return lambda member: _number(member.rate(STATUS + name))


def _mean(member: Measured) -> str:
    took, count = member.rate(f"{STATUS}query_time"), member.rate(f"{STATUS}questions")
    return NONE if took is None or not count else f"{1000 * took / count:.3g} ms"


def _slowest(member: Measured) -> str:
    """What 99 of 100 statements between the two times have not exceeded."""
    name, most = "pilothouse_mysql_statement_seconds_bucket", "le=+Inf"
    total = member.rate(name, most)
    bounds = sorted(float(own.removeprefix("le=")) for each, own in member.last if each == name and own != most)
    if not total:
        return NONE
    found = (bound for bound in bounds if (member.rate(name, f"le={bound:g}") or 0.0) >= 0.99 * total)
    bound = next(found, None)
    return f"over {1000 * bounds[-1]:g} ms" if bound is None else f"{1000 * bound:g} ms at most"


def _sessions(member: Measured) -> str:
    used, most = member.value(f"{STATUS}threads_connected"), member.value("mysql_global_variables_max_connections")
    return (
        NONE if used is None or most is None else f"{used:.0f} of {most:.0f}, {_number(member.value(f'{STATUS}threads_running'))} at work"
    )


def _refused(member: Measured) -> str:
    return _number(member.value(f"{STATUS}connection_errors_total", "error=max_connections"))


def _lag(member: Measured) -> str:
    if member.value("mysql_slave_status_slave_sql_running") is None:
        return NONE
    lag = member.value("mysql_slave_status_seconds_behind_master")
    return "does not follow" if lag is None else f"{lag:.0f} s"


def _acknowledging(member: Measured) -> str:
    if not member.value(f"{STATUS}rpl_semi_sync_master_status"):
        return NONE
    clients, waiting = (member.value(f"{STATUS}rpl_semi_sync_master_{each}") for each in ("clients", "wait_sessions"))
    return f"{_number(clients)} replicas, {_number(waiting)} commits wait"


def _pool(member: Measured) -> str:
    used, size = member.value(f"{STATUS}innodb_buffer_pool_bytes_data"), member.value("mysql_global_variables_innodb_buffer_pool_size")
    dirty = member.value(f"{STATUS}innodb_buffer_pool_bytes_dirty")
    return NONE if used is None or size is None else f"{binary(used)} of {binary(size)}, {binary(dirty or 0)} to be written"


def _hits(member: Measured) -> str:
    wanted, read = (member.value(f"{STATUS}innodb_buffer_pool_{each}") for each in ("read_requests", "reads"))
    return NONE if read is None or not wanted else f"{100 * (1 - read / wanted):.2f}%"


def _volume(member: Measured) -> str:
    free, size = (member.value(f"pilothouse_mysql_volume_{each}_bytes") for each in ("free", "size"))
    return NONE if free is None or not size else f"{binary(free)} of {binary(size)} ({100 * free / size:.0f}%)"


def _logs(member: Measured) -> str:
    size = member.value("mysql_binlog_size_bytes")
    return NONE if size is None else f"{binary(size)} in {_number(member.value('mysql_binlog_files'))} files"


FIGURES: Mapping[str, Callable[[Measured], str]] = {
    "role": _role,
    "up for": _up,
    "statements/s": _rate("questions"),
    "  reads/s": _kinds(*READS),
    "  writes/s": _kinds(*WRITES),
    "mean time": _mean,
    "99% take": _slowest,
    "slow statements": lambda member: _number(member.value(f"{STATUS}slow_queries")),
    "connections": _sessions,
    "refused, all taken": _refused,
    "lag": _lag,
    "last transaction": lambda member: _number(member.value("pilothouse_mysql_gtid_sequence", "kind=executed")),
    "acknowledging": _acknowledging,
    "buffer pool": _pool,
    "found in it": _hits,
    "row lock waits/s": _rate("innodb_row_lock_waits"),
    "deadlocks": lambda member: _number(member.value(f"{STATUS}innodb_deadlocks")),
    "volume free": _volume,
    "log of changes": _logs,
}


def _number(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.0f}" if value.is_integer() or value >= 100 else f"{value:.3g}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
