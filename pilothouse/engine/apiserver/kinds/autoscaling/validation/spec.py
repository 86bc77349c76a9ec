"""The spec of an autoscaler as a whole."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.autoscaling.validation import behavior, metrics, reference
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_LEAST = 1
"""No autoscaler goes down to zero pods, as upstream without the feature gate HPAScaleToZero."""
_SCALES_TO_ZERO = ("Object", "External")


def validate(spec: Object, old: Object | None = None) -> list[Cause]:
    """old: the spec before an update; what upstream has let in there stays as it is."""
    causes = _bounds(spec, old)
    causes += reference.validate(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef", needs_group=_needs_group(spec, old))
    found = spec.get("metrics") or ()
    for index, metric in enumerate(field.until_enough(causes, found)):
        causes += metrics.validate(metric, f"spec.metrics[{index}]")
    if spec.get("minReplicas") == 0 and not any(metric.get("type") in _SCALES_TO_ZERO for metric in found):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        causes.append(field.forbidden("spec.metrics", detail))
    if spec.get("behavior") is not None:
        causes += behavior.validate(spec["behavior"], "spec.behavior")
    return causes


def _bounds(spec: Object, old: Object | None) -> list[Cause]:
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    lowest = 0 if old is not None and old.get("minReplicas") == 0 else _LEAST
    causes: list[Cause] = []
    if least is not None and least < lowest:
        causes.append(field.invalid("spec.minReplicas", least, f"must be greater than or equal to {lowest}"))
    if most < 1:
        causes.append(field.required("spec.maxReplicas", "must be set and greater than 0"))
    if least is not None and most < least:
        causes.append(field.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    return causes


def _needs_group(spec: Object, old: Object | None) -> bool:
    """Of what the core group has, only ReplicationControllers can be scaled."""
    target, before = spec.get("scaleTargetRef") or {}, (old or {}).get("scaleTargetRef") or {}
    was_without = bool(before) and not reference.group_of(before.get("apiVersion") or "")
    return not was_without and (target.get("apiVersion"), target.get("kind")) != ("v1", "ReplicationController")
