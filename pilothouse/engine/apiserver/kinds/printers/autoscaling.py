"""Autoscalers in a Table: what each metric is and should be. Source: pkg/printers/internalversion/printers.go, formatHPAMetrics."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, NONE, UNKNOWN, UNSET, age, name
from pilothouse.model.json import Object

COLUMNS = (
    NAME_COLUMN,
    Column("Reference", "What is scaled."),
    Column("Targets", "Each metric as it is and as it should be."),
    Column("MinPods", "The fewest pods there may be."),
    Column("MaxPods", "The most pods there may be."),
    Column("Replicas", "The pods there were when the autoscaler looked last."),
    AGE_COLUMN,
)
_SHOWN = 2


def cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    least = spec.get("minReplicas")
    return [
        name(obj),
        f"{target.get('kind', '')}/{target.get('name', '')}",
        _metrics(spec.get("metrics") or (), status.get("currentMetrics") or ()),
        UNSET if least is None else str(least),
        spec.get("maxReplicas") or 0,
        status.get("currentReplicas") or 0,
        age(obj, now),
    ]


def _metrics(specs: Sequence[Object], statuses: Sequence[Object]) -> str:
    if not specs:
        return NONE
    found = [_metric(spec, statuses[index] if index < len(statuses) else {}) for index, spec in enumerate(specs)]
    shown = ", ".join(found[:_SHOWN])
    return f"{shown} + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else shown


def _metric(spec: Object, status: Object) -> str:
    kind = spec.get("type") or ""
    field = kind[:1].lower() + kind[1:]
    source, current = spec.get(field) or {}, (status.get(field) or {}).get("current") or {}
    target = source.get("target") or {}
    if field in ("resource", "containerResource"):
        return f"{source.get('name', '')}: {_usage(target, current)}"
    average = target.get("averageValue")
    if average is not None:
        ending = "" if field == "pods" else " (avg)"
        return f"{current.get('averageValue') or UNKNOWN}/{average}{ending}"
    return f"{current.get('value') or UNKNOWN}/{target.get('value') or UNSET}"


def _usage(target: Object, current: Object) -> str:
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue') or UNKNOWN}/{target['averageValue']}"
    wanted, used = target.get("averageUtilization"), current.get("averageUtilization")
    return f"{UNKNOWN if used is None else f'{used}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"
