"""Counters and gauges of this process, in Prometheus' text format, without anybody having to be handed them.

One registry a process, as with loggers: a part makes its meter at import time and counts; whoever serves /metrics asks
`exposition()`. Labels take few values (names of parts, never names of users' objects), so nothing here grows without bound.
"""

import threading
from collections.abc import Callable

_METERS: dict[str, "Counter | Gauge"] = {}


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
        return head + [f"{self.name}{labelled(self._labels, values)} {value:g}" for values, value in found]


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
        return [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} gauge", f"{self.name} {self._read():g}"]


def exposition() -> list[str]:
    """The lines of all meters that this process has."""
    return [line for name in sorted(_METERS) for line in _METERS[name].lines()]


def _register(meter: Counter | Gauge) -> None:
    if meter.name in _METERS:
        raise ValueError(f"there is a meter {meter.name} already")
    _METERS[meter.name] = meter


def labelled(labels: tuple[str, ...], values: tuple[str, ...]) -> str:
    """What follows a metric's name; whatever is in the values stays in them."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(labels, values, strict=True)) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
