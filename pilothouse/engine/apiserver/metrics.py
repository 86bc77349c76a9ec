"""Counters of the server in Prometheus' text format, with upstream's names where it has the same thing; then the process's own."""

from bisect import bisect_left
from collections.abc import Callable, Mapping

from pilothouse.aio import meters

_BOUNDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0)
_VERBS = frozenset(
    {"create", "get", "list", "watch", "update", "patch", "delete", "deletecollection", "post", "put", "head", "options", "connect"}
)
_MOST_SERIES = 10_000
Asked = tuple[str, str, str]
"""Verb, group and resource of a request; the caller gives only what is served, and "other" for what is not."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """gauges: read when somebody asks. more: lines of others, likewise."""

    def __init__(self, gauges: Mapping[str, Callable[[], float]], more: Callable[[], list[str]] = list) -> None:
        self._gauges = dict(gauges)
        self._more = more
        self._requests: dict[tuple[str, str, str, int], int] = {}
        self._durations: dict[tuple[str, str, str], list[float]] = {}

    def observe(self, asked: Asked, code: int, seconds: float) -> None:
        verb, group, resource = asked
        if len(self._requests) >= _MOST_SERIES:
            group = resource = "other"
        self._observe(verb if verb in _VERBS else "other", group, resource, code, seconds)

    def _observe(self, verb: str, group: str, resource: str, code: int, seconds: float) -> None:
        key = (verb, group, resource, code)
        self._requests[key] = self._requests.get(key, 0) + 1
        if verb in ("watch", "connect"):
            return
        series = self._durations.get(key[:3])
        if series is None:
            series = self._durations[key[:3]] = [0.0] * (len(_BOUNDS) + 2)
        series[bisect_left(_BOUNDS, seconds)] += 1
        series[-1] += seconds

    def text(self) -> str:
        lines = ["# HELP apiserver_request_total Requests answered.", "# TYPE apiserver_request_total counter"]
        for (verb, group, resource, code), count in sorted(self._requests.items()):
            labels = f'code="{code}",{_labels(verb, group, resource)}'
            lines.append(f"apiserver_request_total{{{labels}}} {count}")
        lines += ["# HELP apiserver_request_duration_seconds How long answers took.", "# TYPE apiserver_request_duration_seconds histogram"]
        for (verb, group, resource), series in sorted(self._durations.items()):
            lines += _histogram(_labels(verb, group, resource), series)
        for name, read in self._gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {read():g}"]
        return "\n".join([*lines, *self._more(), *meters.exposition()]) + "\n"


def _labels(verb: str, group: str, resource: str) -> str:
    return f'group="{_escaped(group)}",resource="{_escaped(resource)}",verb="{_escaped(verb)}"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram(labels: str, series: list[float]) -> list[str]:
    name, total, lines = "apiserver_request_duration_seconds", 0.0, []
    for bound, count in zip((*_BOUNDS, "+Inf"), series[:-1], strict=True):
        total += count
        lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {total:g}')
    return [*lines, f"{name}_sum{{{labels}}} {series[-1]:g}", f"{name}_count{{{labels}}} {total:g}"]
