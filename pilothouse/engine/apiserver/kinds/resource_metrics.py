"""What nodes and pods use (metrics.k8s.io): answered from the last figures of the nodes, stored nowhere.

Source: k8s.io/metrics pkg/apis/metrics/v1beta1; metrics-server pkg/api/table.go.
"""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column, Kind
from pilothouse.engine.apiserver.kinds.quantities import amount
from pilothouse.model import kinds
from pilothouse.model.json import Object
from pilothouse.model.quantity import ZERO

_PACKAGE = "io.k8s.metrics.pkg.apis.metrics.v1beta1"
_QUANTITY: Object = {"x-kubernetes-int-or-string": True}
_USAGE: Object = {"type": "object", "description": "What is used, by resource: cpu and memory.", "additionalProperties": _QUANTITY}
_TIMED: Object = {
    "timestamp": {"type": "string", "format": "date-time", "description": "The end of the time in which the usage was measured."},
    "window": {"type": "string", "description": "How long that time was, such as 15.2s."},
}
_NODE: Object = {
    "type": "object",
    "description": "What a node uses.",
    "required": ["timestamp", "window", "usage"],
    "properties": _TIMED | {"usage": _USAGE},
}
_CONTAINER: Object = {
    "type": "object",
    "required": ["name", "usage"],
    "properties": {"name": {"type": "string", "description": "The container's name in its pod."}, "usage": _USAGE},
}
_POD: Object = {
    "type": "object",
    "description": "What the containers of a pod use.",
    "required": ["timestamp", "window", "containers"],
    "properties": _TIMED | {"containers": {"type": "array", "items": _CONTAINER, "description": "All that run."}},
}
_COLUMNS = (
    NAME_COLUMN,
    Column("cpu", "Processors used, over the window."),
    Column("memory", "Memory in use that the kernel could not drop at once."),
    Column("Window", "How long the CPU was measured."),
)


def _node_cells(obj: Object, now: datetime) -> list[Any]:
    return _row(obj, [obj.get("usage") or {}])


def _pod_cells(obj: Object, now: datetime) -> list[Any]:
    return _row(obj, [each.get("usage") or {} for each in obj.get("containers") or ()])


def _row(obj: Object, usages: list[Object]) -> list[Any]:
    totals = (sum((amount(usage.get(name)) for usage in usages), ZERO) for name in ("cpu", "memory"))
    return [obj["metadata"].get("name") or "", *map(str, totals), obj.get("window") or ""]


NODEMETRICS = Kind(
    kinds.NODEMETRICS,
    f"{_PACKAGE}.NodeMetrics",
    _NODE,
    columns=_COLUMNS,
    cells=_node_cells,
    selectable_fields=frozenset({"metadata.name"}),
    is_stored=False,
)
PODMETRICS = Kind(kinds.PODMETRICS, f"{_PACKAGE}.PodMetrics", _POD, columns=_COLUMNS, cells=_pod_cells, is_stored=False)
