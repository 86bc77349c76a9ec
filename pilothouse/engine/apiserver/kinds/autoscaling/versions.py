"""autoscaling/v1 in the shape of v2 and back: the CPU's utilization is a field there, all else that it has no field for are annotations.

Source: pkg/apis/autoscaling/v1/conversion.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.engine.apiserver.kinds.autoscaling import annotations as stated
from pilothouse.model.json import Object

_Shapes = Mapping[str, Mapping[str, tuple[str, ...]]]

# For each kind of source what v1 calls a part of it and where v2 has that part.
_SPEC: _Shapes = {
    "object": {
        "target": ("describedObject",),
        "metricName": ("metric", "name"),
        "selector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "averageValue": ("target", "averageValue"),
    },
    "pods": {
        "metricName": ("metric", "name"),
        "selector": ("metric", "selector"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "resource": {
        "name": ("name",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "containerResource": {
        "name": ("name",),
        "container": ("container",),
        "targetAverageUtilization": ("target", "averageUtilization"),
        "targetAverageValue": ("target", "averageValue"),
    },
    "external": {
        "metricName": ("metric", "name"),
        "metricSelector": ("metric", "selector"),
        "targetValue": ("target", "value"),
        "targetAverageValue": ("target", "averageValue"),
    },
}
_STATUS: _Shapes = {
    source: {
        (name.replace("targetA", "currentA").replace("targetV", "currentV")): tuple(
            "current" if part == "target" else part for part in path
        )
        for name, path in parts.items()
    }
    for source, parts in _SPEC.items()
}
_ZERO_IS_NOTHING = ("targetValue", "currentValue")


def to_stored(obj: Object) -> Object:
    """An object of v1 in the shape of v2; an annotation that cannot be read is left out."""
    metadata, spec, status = dict(obj.get("metadata") or {}), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    annotations = metadata.get("annotations") or {}
    _set_annotations(metadata, {name: value for name, value in annotations.items() if name not in stated.NAMES})
    metrics = [_metric(each, _SPEC, is_spec=True) for each in stated.read(annotations, stated.METRICS) or ()]
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None:
        metrics.append(_cpu({"target": {"type": "Utilization", "averageUtilization": utilization}}))
    if metrics:
        spec["metrics"] = metrics
    if behavior := stated.read(annotations, stated.BEHAVIOR):
        spec["behavior"] = behavior
    return {**obj, "metadata": metadata, "spec": spec, "status": _status(status, annotations)}


def _set_annotations(metadata: Object, annotations: Object) -> None:
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations


def _status(status: Object, annotations: Mapping[str, str]) -> Object:
    current = [_metric(each, _STATUS, is_spec=False) for each in stated.read(annotations, stated.CURRENT) or ()]
    utilization = status.pop("currentCPUUtilizationPercentage", None)
    if not current and utilization is not None:
        current = [_cpu({"current": {"averageUtilization": utilization}})]
    if current:
        status["currentMetrics"] = current
    if conditions := stated.read(annotations, stated.CONDITIONS):
        status["conditions"] = conditions
    return status


def from_stored(obj: Object) -> Object:
    """An object of v2 in the shape of v1."""
    metadata, spec, status = dict(obj["metadata"]), dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics, current = spec.pop("metrics", None) or [], status.pop("currentMetrics", None) or []
    conditions, behavior = status.pop("conditions", None), spec.pop("behavior", None)
    annotations = {name: value for name, value in (metadata.get("annotations") or {}).items() if name not in stated.NAMES}
    if others := [each for each in metrics if not _is_cpu_utilization(each)]:
        annotations[stated.METRICS] = stated.text([_shown(each, _SPEC) for each in others])
    if current:
        annotations[stated.CURRENT] = stated.text([_shown(each, _STATUS) for each in current])
    if conditions:
        annotations[stated.CONDITIONS] = stated.text(conditions)
    if behavior:
        annotations[stated.BEHAVIOR] = stated.text(behavior)
    _set_annotations(metadata, annotations)
    if (wanted := _utilization(metrics, "target")) is not None:
        spec["targetCPUUtilizationPercentage"] = wanted
    if (used := _utilization(current, "current")) is not None:
        status["currentCPUUtilizationPercentage"] = used
    counts = {"currentReplicas": status.get("currentReplicas") or 0, "desiredReplicas": status.get("desiredReplicas") or 0}
    return {**obj, "metadata": metadata, "spec": spec, "status": status | counts}


def _cpu(more: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", **more}}


def _is_cpu_utilization(metric: Object) -> bool:
    return _utilization([metric], "target") is not None


def _utilization(metrics: Sequence[Object], side: str) -> int | None:
    """Of the first metric of the CPU, in percent."""
    for metric in metrics:
        resource = metric.get("resource") or {}
        if metric.get("type") == "Resource" and resource.get("name") == "cpu":
            found: int | None = (resource.get(side) or {}).get("averageUtilization")
            return found
    return None


def _metric(metric: Object, shapes: _Shapes, *, is_spec: bool) -> Object:
    """One of v1's annotations in the shape of v2."""
    found: Object = {"type": metric.get("type") or ""}
    for source, parts in shapes.items():
        if source not in metric:
            continue
        shaped: Object = {} if is_spec else {"current": {}}
        for name, path in parts.items():
            value = metric[source].get(name)
            # v1 has a zero where v2 has nothing.
            if value is not None and not (value == "0" and name in _ZERO_IS_NOTHING):
                _put(shaped, path, value)
        if is_spec:
            target = shaped.get("target") or {}
            shaped["target"] = {"type": _target_type(target), **target}
        found[source] = shaped
    return found


def _target_type(target: Object) -> str:
    if "averageUtilization" in target:
        return "Utilization"
    return "AverageValue" if "averageValue" in target else "Value"


def _shown(metric: Object, shapes: _Shapes) -> Object:
    found: Object = {"type": metric.get("type") or ""}
    for source, parts in shapes.items():
        if metric.get(source) is not None:
            values = {name: _get(metric[source], path) for name, path in parts.items()}
            found[source] = {name: value for name, value in values.items() if value is not None}
    return found


def _get(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _put(value: Object, path: Sequence[str], what: Any) -> None:
    *parents, last = path
    for name in parents:
        value = value.setdefault(name, {})
    value[last] = what
