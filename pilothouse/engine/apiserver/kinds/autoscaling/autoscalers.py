"""HorizontalPodAutoscalers, in the two versions that share one place in the store.

The stored shape is that of autoscaling/v2; all functions of both kinds work on it, except `cells`, which takes what its own version shows.
Source: pkg/apis/autoscaling/{v2/defaults.go,validation}, pkg/registry/autoscaling/horizontalpodautoscaler/strategy.go.
"""

from datetime import datetime
from functools import partial
from typing import Any

from pilothouse.engine.apiserver.kinds import field, metadata, strategy
from pilothouse.engine.apiserver.kinds.autoscaling import versions
from pilothouse.engine.apiserver.kinds.autoscaling.validation import spec as spec_validation
from pilothouse.engine.apiserver.kinds.kind import Kind
from pilothouse.engine.apiserver.kinds.printers import autoscaling as printer
from pilothouse.model import kinds, names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

DEFAULT_UTILIZATION = 80
_HUNDRED_PERCENT: Object = {"type": "Percent", "value": 100, "periodSeconds": 15}
_FOUR_PODS: Object = {"type": "Pods", "value": 4, "periodSeconds": 15}


def default(obj: Object) -> None:
    spec = obj.get("spec") or {}
    obj["spec"] = spec
    strategy.fill(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": DEFAULT_UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if spec.get("behavior") is not None:
        _default_behavior(spec["behavior"])


def _default_behavior(behavior: Object) -> None:
    """The window downwards has no default here: the controller's own is meant."""
    up, down = (behavior.get(name) or {} for name in ("scaleUp", "scaleDown"))
    behavior |= {"scaleUp": up, "scaleDown": down}
    strategy.fill(up, "stabilizationWindowSeconds", 0)
    for rules, policies in ((up, [_FOUR_PODS, _HUNDRED_PERCENT]), (down, [_HUNDRED_PERCENT])):
        strategy.fill(rules, "selectPolicy", "Max")
        strategy.fill(rules, "policies", [dict(policy) for policy in policies])


def _validate(obj: Object) -> list[Cause]:
    return metadata.validate(obj, names.dns1123_subdomain) + spec_validation.validate(obj.get("spec") or {})


def _validate_update(obj: Object, old: Object) -> list[Cause]:
    return metadata.validate_update(obj, old) + spec_validation.validate(obj.get("spec") or {}, old.get("spec") or {})


def _validate_status_update(obj: Object, old: Object) -> list[Cause]:
    status = obj.get("status") or {}
    causes = metadata.validate_update(obj, old)
    for name in ("currentReplicas", "desiredReplicas"):
        causes += field.non_negative(f"status.{name}", status.get(name))
    return causes


def _cells_of_v1(obj: Object, now: datetime) -> list[Any]:
    return printer.cells(versions.to_stored(obj), now)


_kind = partial(
    Kind,
    default=default,
    prepare_create=strategy.create(status={"currentMetrics": None, "desiredReplicas": 0}, generation=False),
    prepare_update=strategy.update(generation=False),
    validate=_validate,
    validate_update=_validate_update,
    validate_status_update=_validate_status_update,
    columns=printer.COLUMNS,
)
HORIZONTALPODAUTOSCALER = _kind(kinds.HORIZONTALPODAUTOSCALERS, "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler", cells=printer.cells)
HORIZONTALPODAUTOSCALER_V1 = _kind(
    kinds.HORIZONTALPODAUTOSCALERS_V1,
    "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler",
    cells=_cells_of_v1,
    stored_as=kinds.HORIZONTALPODAUTOSCALERS,
    to_stored=versions.to_stored,
    from_stored=versions.from_stored,
)
