"""The default among IngressClasses."""

from pilothouse.model.ingresses import DEFAULT_CLASS, default_class
from pilothouse.model.json import Object


def marked(name: str, created: str, mark: str = "true") -> Object:
    return {"metadata": {"name": name, "creationTimestamp": created, "annotations": {DEFAULT_CLASS: mark}}}


def test_the_youngest_default_counts_and_of_equally_young_ones_the_first_by_name() -> None:
    old, young, twin = marked("a", "2026-01-01T00:00:00Z"), marked("c", "2026-01-02T00:00:00Z"), marked("b", "2026-01-02T00:00:00Z")
    assert default_class([young, old, twin]) == twin
    assert default_class([old, marked("z", "2026-01-03T00:00:00Z", "false")]) == old
    assert default_class([]) is None
