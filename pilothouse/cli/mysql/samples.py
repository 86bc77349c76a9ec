"""Reads Prometheus' text format (pure). Source: Prometheus, "Exposition formats", version 0.0.4."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pilothouse.model.json import Object

TEXTS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
"""As the format writes what is no number."""
_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? ([^ ]+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Sample(NamedTuple):
    name: str
    labels: Mapping[str, str]
    value: float


def samples(text: str, *, buckets: bool = False) -> Iterator[Sample]:
    """buckets: those of histograms as well."""
    for line in text.splitlines():
        found = _SAMPLE.match(line)
        if found is not None and (buckets or not found[1].endswith("_bucket")):
            yield Sample(found[1], dict(_LABEL.findall(found[2] or "")), float(found[3]))


def document(one: Sample) -> Object:
    """JSON has no word for what is no number."""
    value = one.value if math.isfinite(one.value) else TEXTS[str(one.value)]
    return {"name": one.name, "labels": dict(one.labels), "value": value}
