"""Makes samples of what the agent and the server say (pure). What is no number, or not there, is left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pilothouse.platform.databases.inside.agent.changes import Log
from pilothouse.platform.databases.inside.agent.gtid import count
from pilothouse.platform.databases.inside.agent.metrics import catalogue
from pilothouse.platform.databases.inside.agent.metrics.catalogue import Metric
from pilothouse.platform.databases.inside.agent.metrics.exposition import Sample

ROLES = ("primary", "replica", "none")
_WORDS = {"on": 1.0, "yes": 1.0, "off": 0.0, "no": 0.0, "connecting": 0.0, "preparing": 0.0}


@dataclass(frozen=True, slots=True)
class Readings:
    """Of a server that has answered. status, variables: by name. source: the columns of SHOW SLAVE STATUS, none without a source.
    statements: seconds, and how many took no longer, from short to long; none where the server does not measure it.

    Names are in small letters.
    """

    status: Mapping[str, object] = field(default_factory=dict)
    variables: Mapping[str, object] = field(default_factory=dict)
    source: Mapping[str, object] = field(default_factory=dict)
    statements: Sequence[tuple[float, int]] = ()


def of_state(state: Mapping[str, object]) -> Iterator[Sample]:
    """state: the agent's own, of its last look."""
    yield _sample(catalogue.UP, bool(state.get("answers")))
    for role in ROLES:
        yield _sample(catalogue.ROLE, state.get("role") == role, role=role)
    yield _sample(catalogue.WRITABLE, bool(state.get("writable")))
    yield from _some(catalogue.TERM, state.get("term"))
    yield _sample(catalogue.APPLIED, bool(state.get("applied")))
    yield from _some(catalogue.UNANSWERED, state.get("unanswered_s"))
    yield _sample(catalogue.UNTRUNCATED, bool(state.get("untruncated")))
    for kind, position in _mapping(state.get("gtid")).items():
        if kind in ("executed", "received") and position:
            yield _sample(catalogue.SEQUENCE, count(str(position)), kind=kind)
    disk = _mapping(state.get("disk"))
    yield from _some(catalogue.VOLUME_SIZE, disk.get("size"))
    yield from _some(catalogue.VOLUME_FREE, disk.get("free"))


def of_server(readings: Readings) -> Iterator[Sample]:
    for name, metric in catalogue.STATUS.items():
        yield from _some(metric, readings.status.get(name))
    for group in catalogue.GROUPS:
        for part in group.parts:
            yield from _some(group.metric, readings.status.get(group.prefix + part), **{group.label: part})
    for name, metric in catalogue.VARIABLES.items():
        yield from _some(metric, readings.variables.get(name))
    host = str(readings.source.get("master_host") or "")
    for name, metric in catalogue.SOURCE.items():
        yield from _some(metric, readings.source.get(name), master_host=host)
    yield from _histogram(readings)
    texts = {name: str(readings.variables.get(name) or "") for name in ("version", "version_comment")}
    yield _sample(catalogue.VERSION, 1, **texts)


def _histogram(readings: Readings) -> Iterator[Sample]:
    """Of the server's many buckets the few that the catalogue has: each counts those that surely took no longer."""
    if not readings.statements:
        return
    total = readings.statements[-1][1]
    for bound in catalogue.BOUNDS_S:
        count = max((count for high, count in readings.statements if high <= bound), default=0)
        yield Sample(catalogue.STATEMENTS, float(count), {"le": f"{bound:g}"}, "_bucket")
    yield Sample(catalogue.STATEMENTS, float(total), {"le": "+Inf"}, "_bucket")
    yield Sample(catalogue.STATEMENTS, number(readings.status.get("query_time")) or 0.0, {}, "_sum")
    yield Sample(catalogue.STATEMENTS, float(total), {}, "_count")


def of_logs(logs: Sequence[Log]) -> Iterator[Sample]:
    """logs: the files of the log of changes, the oldest first."""
    yield _sample(catalogue.BINLOG_SIZE, sum(log.size for log in logs))
    yield _sample(catalogue.BINLOG_FILES, len(logs))
    if logs:
        yield from _some(catalogue.BINLOG_NUMBER, logs[-1].path.suffix[1:])


def number(value: object) -> float | None:
    """Of what the server calls a value: ON and Yes are 1, OFF, No and Connecting 0."""
    text = str(value).strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    try:
        found = float(text)
    except ValueError:
        return None
    return found if abs(found) < float("inf") else None


def _some(metric: Metric, value: object, **labels: str) -> Iterator[Sample]:
    found = number(value)
    if found is not None:
        yield Sample(metric, found, labels)


def _sample(metric: Metric, value: float, **labels: str) -> Sample:
    return Sample(metric, float(value), labels)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
