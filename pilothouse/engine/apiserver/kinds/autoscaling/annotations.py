"""What autoscaling/v1 keeps in annotations: JSON that no schema has checked, of which only what has the right types is taken.

An annotation that cannot be read counts as missing, as upstream's decoder has it; fields that nobody knows are left out of the others.
Source: k8s.io/api/autoscaling/v1 (MetricSpec, MetricStatus, HorizontalPodAutoscalerCondition, HorizontalPodAutoscalerBehavior).
"""

from collections.abc import Mapping
from typing import Any

from pilothouse.model.json import JSONError, Object, dumps, loads
from pilothouse.model.quantity import Quantity, QuantityError

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT, CONDITIONS, BEHAVIOR = (f"{_PREFIX}{name}" for name in ("metrics", "current-metrics", "conditions", "behavior"))
_INT32 = 2**31

# The shape of a value: a type, an object by its fields, a list as `[shape]`, a map from any string as `{"*": shape}`.
_QUANTITY = Quantity
_REFERENCE = {"kind": str, "name": str, "apiVersion": str}
_EXPRESSION = {"key": str, "operator": str, "values": [str]}
_SELECTOR = {"matchLabels": {"*": str}, "matchExpressions": [_EXPRESSION]}
_USE = {"name": str, "targetAverageUtilization": int, "targetAverageValue": _QUANTITY}
_USED = {"name": str, "currentAverageUtilization": int, "currentAverageValue": _QUANTITY}
_METRIC = {
    "type": str,
    "object": {
        "target": _REFERENCE,
        "metricName": str,
        "selector": _SELECTOR,
        "targetValue": _QUANTITY,
        "averageValue": _QUANTITY,
    },
    "pods": {"metricName": str, "selector": _SELECTOR, "targetAverageValue": _QUANTITY},
    "resource": _USE,
    "containerResource": _USE | {"container": str},
    "external": {"metricName": str, "metricSelector": _SELECTOR, "targetValue": _QUANTITY, "targetAverageValue": _QUANTITY},
}
_STATUS = {
    "type": str,
    "object": {
        "target": _REFERENCE,
        "metricName": str,
        "selector": _SELECTOR,
        "currentValue": _QUANTITY,
        "averageValue": _QUANTITY,
    },
    "pods": {"metricName": str, "selector": _SELECTOR, "currentAverageValue": _QUANTITY},
    "resource": _USED,
    "containerResource": _USED | {"container": str},
    "external": {"metricName": str, "metricSelector": _SELECTOR, "currentValue": _QUANTITY, "currentAverageValue": _QUANTITY},
}
_POLICY = {"type": str, "value": int, "periodSeconds": int}
_RULES = {"stabilizationWindowSeconds": int, "selectPolicy": str, "policies": [_POLICY], "tolerance": _QUANTITY}
_SHAPES: Mapping[str, Any] = {
    METRICS: [_METRIC],
    CURRENT: [_STATUS],
    CONDITIONS: [{"type": str, "status": str, "lastTransitionTime": str, "reason": str, "message": str}],
    BEHAVIOR: {"scaleUp": _RULES, "scaleDown": _RULES},
}
NAMES = tuple(_SHAPES)


class _Mismatch(ValueError):
    """A value of another type."""


def read(annotations: Mapping[str, str], name: str) -> Any:
    """The annotation's value, None without one that can be read."""
    text = annotations.get(name)
    if not text:
        return None
    try:
        return _shaped(loads(text), _SHAPES[name])
    except (JSONError, _Mismatch, QuantityError):
        return None


def text(value: Any) -> str:
    return dumps(value).decode()


def _shaped(value: Any, shape: Any) -> Any:
    """A copy of the value with the fields of the shape; raises _Mismatch, QuantityError."""
    if value is None:
        return None
    if isinstance(shape, dict):
        return _object(value, shape)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise _Mismatch
        return [found for each in value if (found := _shaped(each, shape[0])) is not None]
    if shape is _QUANTITY:
        return str(Quantity.of(value))
    is_right = isinstance(value, shape) and not isinstance(value, bool) and (shape is str or -_INT32 <= value < _INT32)
    if not is_right:
        raise _Mismatch
    return value


def _object(value: Any, shape: Mapping[str, Any]) -> Object:
    if not isinstance(value, dict):
        raise _Mismatch
    every = shape.get("*")
    found = {name: _shaped(each, shape.get(name) or every) for name, each in value.items() if every or name in shape}
    return {name: each for name, each in found.items() if each is not None}
