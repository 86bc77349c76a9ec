"""Prometheus' text format (pure). Source: Prometheus, "Exposition formats", version 0.0.4."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pilothouse.platform.databases.inside.agent.metrics.catalogue import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """suffix: after the metric's name, of a part of a histogram."""

    metric: Metric
    value: float
    labels: Mapping[str, str]
    suffix: str = ""


def text(samples: Iterable[Sample], common: Mapping[str, str]) -> str:
    """Samples of one metric stand together, whatever their order. common: labels of every sample, before its own."""
    by_metric: dict[Metric, list[Sample]] = {}
    for each in samples:
        by_metric.setdefault(each.metric, []).append(each)
    return "".join(f"{line}\n" for metric, found in by_metric.items() for line in _lines(metric, found, common))


def _lines(metric: Metric, samples: list[Sample], common: Mapping[str, str]) -> Iterator[str]:
    escaped = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    yield f"# HELP {metric.name} {escaped}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for each in samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in {**common, **each.labels}.items())
        yield f"{metric.name}{each.suffix}{{{labels}}} {_shown(each.value)}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _shown(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
