"""Counters and gauges of this process, in Prometheus' text format, without anybody having to be handed them.

One registry a process, as with loggers: a part makes its meter at import time and counts; whoever serves /metrics asks
`exposition()`. Labels take few values (names of parts, never names of users' objects), so nothing here grows without bound.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate

_METERS: dict[str, "Counter | Gauge | Histogram | Lines"] = {}


class Counter:
    """A number that only grows, for each combination of its labels' values. May be used from any thread."""

    def __init__(self, name: str, help: str, *labels: str) -> None:
        self.name = name
        self.help = help
        self._labels = labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}
        self._lock = threading.Lock()
        _register(self)

    def add(self, *values: str, by: float = 1.0) -> None:
        """values: of the labels, in their order. Raises ValueError for another number of them."""
        if len(values) != len(self._labels):
            raise ValueError(f"{self.name} has the labels {self._labels}, not {values}")
        with self._lock:
            self._values[values] = self._values.get(values, 0.0) + by

    def value(self, *values: str) -> float:
        return self._values.get(values, 0.0)

    def lines(self) -> list[str]:
        with self._lock:
            found = sorted(self._values.items())
        head = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} counter"]
        return head + [f"{self.name}{labelled(self._labels, values)} {shown(value)}" for values, value in found]


class Gauge:
    """A number that is read when somebody asks. A later `reads` replaces an earlier one."""

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self._read: Callable[[], float] = lambda: 0.0
        _register(self)

    def reads(self, read: Callable[[], float]) -> None:
        self._read = read

    def lines(self) -> list[str]:
        return [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} gauge", f"{self.name} {shown(self._read())}"]


class Histogram:
    """How often a value was at most each of the bounds, for each combination of its labels' values. May be used from any thread."""

    def __init__(self, name: str, help: str, bounds: tuple[float, ...], *labels: str) -> None:
        self.name = name
        self.help = help
        self._bounds = bounds
        self._labels = labels
        self._series: dict[tuple[str, ...], list[float]] = {}
        self._lock = threading.Lock()
        _register(self)

    def observe(self, value: float, *values: str, times: int = 1) -> None:
        """values: of the labels, in their order; times: how often. Raises ValueError for another number of labels."""
        if len(values) != len(self._labels):
            raise ValueError(f"{self.name} has the labels {self._labels}, not {values}")
        with self._lock:
            series = self._series.get(values)
            if series is None:
                series = self._series[values] = [0.0] * (len(self._bounds) + 2)
            series[bisect_left(self._bounds, value)] += times
            series[-1] += value * times

    def lines(self) -> list[str]:
        with self._lock:
            found = sorted((values, tuple(series)) for values, series in self._series.items())
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} histogram"]
        for values, series in found:
            for bound, count in zip((*self._bounds, "+Inf"), accumulate(series[:-1]), strict=True):
                lines.append(f"{self.name}_bucket{labelled((*self._labels, 'le'), (*values, str(bound)))} {shown(count)}")
            labels = labelled(self._labels, values)
            lines += [f"{self.name}_sum{labels} {shown(series[-1])}", f"{self.name}_count{labels} {shown(sum(series[:-1]))}"]
        return lines


class Lines:
    """A metric that its part counts by itself. read: its lines, with HELP and TYPE."""

    def __init__(self, name: str, read: Callable[[], list[str]]) -> None:
        self.name = name
        self.lines = read
        _register(self)


def exposition() -> list[str]:
    """The lines of all meters that this process has."""
    return [line for name in sorted(_METERS) for line in _METERS[name].lines()]


def _register(meter: Counter | Gauge | Histogram | Lines) -> None:
    if meter.name in _METERS:
        raise ValueError(f"there is a meter {meter.name} already")
    _METERS[meter.name] = meter


def shown(value: float) -> str:
    """As Prometheus reads it, without loss: a count of ten million has all its digits."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def labelled(labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """What follows a metric's name; whatever is in the values stays in them."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(labels, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
