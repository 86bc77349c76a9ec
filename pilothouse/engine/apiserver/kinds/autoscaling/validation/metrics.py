"""The metrics that an autoscaler goes by: each names its source in the field of its type, and a target."""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.autoscaling.validation import reference
from pilothouse.engine.apiserver.kinds.quantities import amount
from pilothouse.engine.apiserver.kinds.selectors import validate_label_selector
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

FIELDS = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
"""The field that describes the source, by the metric's type; in the order in which they are judged."""
_TYPES = tuple(sorted(FIELDS))
_TARGETS = ("Utilization", "Value", "AverageValue")
_MISSING, _ALONE = "must populate information for the given metric source", "must populate the given metric source only"
_ONE, _BOTH = "must set either a target raw value or a target utilization", "may not set both a target raw value and a target utilization"


def validate(metric: Object, path: str) -> list[Cause]:
    kind = metric.get("type") or ""
    causes = [] if kind else [field.required(f"{path}.type", "must specify a metric source type")]
    causes += field.none_or_one_of(f"{path}.type", kind, _TYPES)
    present = [name for name in FIELDS.values() if metric.get(name) is not None]
    if present:
        causes += _SOURCES[present[0]](metric[present[0]], f"{path}.{present[0]}")
    expected = FIELDS.get(kind)
    if expected is None:
        causes.append(field.not_supported(f"{path}.type", kind, _TYPES))
    elif expected not in present:
        causes.append(field.required(f"{path}.{expected}", _MISSING))
    if len(present) != 1:
        causes += [field.forbidden(f"{path}.{name}", _ALONE) for name in present if name != expected]
    return causes


def _object(source: Object, path: str) -> list[Cause]:
    causes = reference.validate(source.get("describedObject") or {}, f"{path}.describedObject", needs_group=False)
    causes += _identified(source, path)
    target = source.get("target") or {}
    if target.get("value") is None and target.get("averageValue") is None:
        causes.append(field.required(f"{path}.target.averageValue", "must set either a target value or averageValue"))
    return causes


def _external(source: Object, path: str) -> list[Cause]:
    causes, target = _identified(source, path), source.get("target") or {}
    if target.get("value") is None and target.get("averageValue") is None:
        causes.append(field.required(f"{path}.target.averageValue", "must set either a target value for metric or a per-pod target"))
    if target.get("value") is not None and target.get("averageValue") is not None:
        causes.append(field.forbidden(f"{path}.target.value", "may not set both a target value for metric and a per-pod target"))
    return causes


def _pods(source: Object, path: str) -> list[Cause]:
    causes = _identified(source, path)
    if (source.get("target") or {}).get("averageValue") is None:
        causes.append(field.required(f"{path}.target.averageValue", "must specify a positive target averageValue"))
    return causes


def _resource(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("name") else [field.required(f"{path}.name", "must specify a resource name")]
    return causes + _usage(source, path)


def _container_resource(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("name") else [field.required(f"{path}.name", "must specify a resource name")]
    container = source.get("container") or ""
    if container:
        causes += field.each_invalid(f"{path}.container", container, names.dns1123_label(container))
    else:
        causes.append(field.required(f"{path}.container", "must specify a container"))
    return causes + _usage(source, path)


def _usage(source: Object, path: str) -> list[Cause]:
    target = source.get("target") or {}
    causes = _target(target, f"{path}.target")
    has_utilization, has_value = target.get("averageUtilization") is not None, target.get("averageValue") is not None
    if not has_utilization and not has_value:
        causes.append(field.required(f"{path}.target.averageUtilization", _ONE))
    if has_utilization and has_value:
        causes.append(field.forbidden(f"{path}.target.averageValue", _BOTH))
    return causes


def _identified(source: Object, path: str) -> list[Cause]:
    """A metric that somebody else measures: its name, its labels and the target."""
    metric = source.get("metric") or {}
    name = metric.get("name") or ""
    at = f"{path}.metric.name"
    causes = field.each_invalid(at, name, names.path_segment(name)) if name else [field.required(at, "must specify a metric name")]
    if metric.get("selector") is not None:
        # Upstream takes it and fails at each round; a selector that selects nothing is better told here.
        causes += validate_label_selector(metric["selector"], f"{path}.metric.selector")
    return causes + _target(source.get("target") or {}, f"{path}.target")


def _target(target: Object, path: str) -> list[Cause]:
    kind = target.get("type") or ""
    causes = [] if kind else [field.required(f"{path}.type", "must specify a metric target type")]
    if kind not in _TARGETS:
        causes.append(field.invalid(f"{path}.type", kind, "must be either Utilization, Value, or AverageValue"))
    for name in ("value", "averageValue"):
        causes += _positive(target.get(name), f"{path}.{name}")
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        causes.append(field.invalid(f"{path}.averageUtilization", utilization, "must be greater than 0"))
    return causes


def _positive(value: Any, path: str) -> list[Cause]:
    return [] if value is None or amount(value).amount > 0 else [field.invalid(path, value, "must be positive")]


_SOURCES = {
    "object": _object,
    "external": _external,
    "pods": _pods,
    "resource": _resource,
    "containerResource": _container_resource,
}
