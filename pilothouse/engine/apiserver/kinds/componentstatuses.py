"""ComponentStatuses: what the server answers when it is asked how its own parts are. Nothing of them is stored."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column, Kind
from pilothouse.model import kinds
from pilothouse.model.json import Object

_HEALTHY = "Healthy"


def component_status(name: str, trouble: str) -> Object:
    """trouble: "" for a part that works."""
    condition = {"type": _HEALTHY, "status": "False" if trouble else "True", "message": trouble or "ok"}
    return {"metadata": {"name": name}, "conditions": [condition | ({"error": trouble} if trouble else {})]}


def _cells(obj: Object, now: datetime) -> list[Any]:
    condition: Object = next((each for each in obj.get("conditions") or () if each["type"] == _HEALTHY), {})
    state = {"True": _HEALTHY, "False": "Unhealthy"}.get(condition.get("status", ""), "Unknown")
    return [obj["metadata"]["name"], state, condition.get("message", ""), condition.get("error", "")]


COMPONENTSTATUS = Kind(
    kinds.COMPONENTSTATUSES,
    "io.k8s.api.core.v1.ComponentStatus",
    columns=(
        NAME_COLUMN,
        Column("Status", "Whether the part works."),
        Column("Message", "What the part says."),
        Column("Error", "What is wrong with it."),
    ),
    cells=_cells,
    deprecation="v1 ComponentStatus is deprecated in v1.19+",
    is_stored=False,
)
