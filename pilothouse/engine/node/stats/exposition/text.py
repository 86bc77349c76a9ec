"""Prometheus' text format: families of series, each written once with its help and type. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Family:
    """help: one line."""

    name: str
    type: str
    help: str
    series: list[str] = field(default_factory=list)

    def add(self, labels: Mapping[str, str], value: float, at: float | None = None) -> None:
        """at: when the value was taken, seconds since the epoch; None: when it is asked for."""
        shown = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
        stamp = "" if at is None else f" {int(at * 1000)}"
        self.series.append(f"{self.name}{{{shown}}} {number(value)}{stamp}" if shown else f"{self.name} {number(value)}{stamp}")

    def lines(self) -> list[str]:
        if not self.series:
            return []
        return [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.type}", *self.series]


def number(value: float) -> str:
    """Every digit that matters: bytes and nanoseconds do not fit into six."""
    return str(value) if isinstance(value, int) else repr(float(value))


def text(families: Iterable[Family]) -> str:
    return "".join(line + "\n" for family in families for line in family.lines())


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
