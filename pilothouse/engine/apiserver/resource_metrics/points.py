"""What a node's /metrics/resource says, as plain values. Pure.

Source: metrics-server pkg/scraper/client/resource/decode.go. Series of others, comments and lines that cannot be read are left out.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)(?: (-?\d+))?")
_LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")


@dataclass(slots=True)
class Point:
    """Figures at one moment. at, started_at: seconds since the epoch, 0 where not known. cpu_s: CPU time used since the start."""

    at: float = 0.0
    cpu_s: float | None = None
    memory_bytes: int | None = None
    started_at: float = 0.0

    @property
    def is_complete(self) -> bool:
        return self.cpu_s is not None and self.memory_bytes is not None and self.at > 0


class ContainerKey(NamedTuple):
    namespace: str
    pod: str
    container: str


@dataclass(slots=True)
class NodePoints:
    node: Point = field(default_factory=Point)
    containers: dict[ContainerKey, Point] = field(default_factory=dict)


def parse(text: str) -> NodePoints:
    """Only what has both CPU and memory is kept."""
    found = NodePoints()
    for line in text.splitlines():
        if line[:1] not in ("n", "c"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name, labels, value, stamp = match.groups()
        _take(found, name, labels or "", value, stamp)
    found.containers = {key: point for key, point in found.containers.items() if point.is_complete}
    return found


def _take(found: NodePoints, name: str, labels: str, text: str, stamp: str | None) -> None:
    try:
        value = float(text)
    except ValueError:
        return
    if not 0 <= value < float("inf"):
        return
    subject, _, series = name.partition("_")
    if subject == "node":
        point = found.node
    elif subject == "container":
        stated = {label: _ESCAPED.sub(_unescaped, shown) for label, shown in _LABEL.findall(labels)}
        key = ContainerKey(stated.get("namespace", ""), stated.get("pod", ""), stated.get("container", ""))
        if not all(key):
            return
        point = found.containers.setdefault(key, Point())
    else:
        return
    _set(point, series, value, int(stamp) / 1000 if stamp else 0.0)


def _set(point: Point, series: str, value: float, at: float) -> None:
    match series:
        case "cpu_usage_seconds_total":
            point.cpu_s, point.at = value, at
        case "memory_working_set_bytes":
            point.memory_bytes = int(value)
            point.at = point.at or at
        case "start_time_seconds":
            point.started_at = value


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
