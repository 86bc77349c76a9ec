"""Answers of the metrics APIs as plain values. Pure.

Source: Kubernetes 1.36, pkg/controller/podautoscaler/metrics/client.go. Values are thousandths of the metric's unit, as upstream counts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.quantity import Quantity, QuantityError

WINDOW_S = 60.0
"""Of a metric that does not say over which time it was measured."""
_LONGEST_S = 2**31
_SHOWN = 100
"""Characters of a value in a sentence."""
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ms|us|µs|ns|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class MetricError(Exception):
    """Why there is no value, as a sentence."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Of one pod. at: seconds since the epoch."""

    milli: int
    at: float = 0.0
    window_s: float = 0.0


def of_pods(items: Iterable[Object], resource: str, container: str = "") -> dict[str, Sample]:
    """What pods use of a resource, by pod; of one container where it is named. A pod that does not say everything is left out.

    Raises MetricError for a pod without that container.
    """
    found: dict[str, Sample] = {}
    for item in items:
        used = [each for each in item.get("containers") or () if not container or each.get("name") == container]
        if container and not used:
            name = f"{item['metadata'].get('namespace')}/{item['metadata']['name']}"
            raise MetricError(f"container {container} not present in metrics for pod {name}")
        amounts = [(each.get("usage") or {}).get(resource) for each in used]
        if amounts and None not in amounts:
            total = sum(milli(each) for each in amounts)
            found[item["metadata"]["name"]] = Sample(total, moment(item.get("timestamp")), duration_s(item.get("window")))
    return found


def of_custom(items: Iterable[Object]) -> dict[str, Sample]:
    """The values of a custom metric, by the name of what they describe. Raises MetricError."""
    return {_described(item): _custom(item) for item in items}


def _described(item: Object) -> str:
    described = item.get("describedObject") or {}
    name = (described.get("name") or "") if isinstance(described, dict) else None
    if not isinstance(name, str):
        raise MetricError(f"the metrics API has given a value of {_shown(described)}, which names no object")
    return name


def _custom(item: Object) -> Sample:
    # v1beta1 of the API calls it otherwise.
    window_s = item.get("windowSeconds", item.get("window"))
    if window_s is None:
        window_s = WINDOW_S
    elif not isinstance(window_s, int) or isinstance(window_s, bool) or abs(window_s) > _LONGEST_S:
        raise MetricError(f"the metrics API has given a window of {_shown(window_s)}, which is no number of seconds")
    return Sample(milli(item.get("value")), moment(item.get("timestamp")), float(window_s))


def milli(value: object) -> int:
    """Raises MetricError."""
    try:
        return Quantity.of(value).milli_value
    except QuantityError as error:
        raise MetricError(f"the metrics API has given {_shown(value)}, which is no quantity") from error


def _shown(value: object) -> str:
    """Whoever serves the API may have sent much."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def moment(text: object) -> float:
    try:
        return meta.parse_rfc3339(text) if isinstance(text, str) else 0.0
    except ValueError:
        return 0.0


def duration_s(text: object) -> float:
    """A duration as Go writes it; 0 for what is none."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text)) if isinstance(text, str) else 0.0
