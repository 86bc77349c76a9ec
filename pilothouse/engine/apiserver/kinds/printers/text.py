"""Pieces that printers share: ages, label lists, references."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.model.json import Object
from pilothouse.model.meta import parse_rfc3339

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"
MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY
SHOWN_MAX = 3

AGE_COLUMN = Column("Age", "Time since the object was created.")
CONTAINERS_COLUMN = Column("Containers", "Names of each container in the template.", priority=1)
IMAGES_COLUMN = Column("Images", "Images referenced by each container in the template.", priority=1)

__all__ = ["AGE_COLUMN", "NAME_COLUMN", "Column", "age", "duration", "since"]


def duration(seconds: float) -> str:
    """A duration in at most two units, coarser the longer it is."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 2 * MINUTE:
        return f"{max(total, 0)}s"
    if total < 10 * MINUTE:
        return _two(total // MINUTE, "m", total % MINUTE, "s")
    if total < 3 * HOUR:
        return f"{total // MINUTE}m"
    if total < 8 * HOUR:
        return _two(total // HOUR, "h", total % HOUR // MINUTE, "m")
    if total < 2 * DAY:
        return f"{total // HOUR}h"
    if total < 8 * DAY:
        return _two(total // DAY, "d", total % DAY // HOUR, "h")
    if total < 2 * YEAR:
        return f"{total // DAY}d"
    if total < 8 * YEAR:
        return _two(total // YEAR, "y", total % YEAR // DAY, "d")
    return f"{total // YEAR}y"


def _two(large: int, unit: str, small: int, subunit: str) -> str:
    return f"{large}{unit}{small}{subunit}" if small else f"{large}{unit}"


def since(time: str | None, now: datetime) -> str:
    return duration(now.timestamp() - parse_rfc3339(time)) if time else UNKNOWN


def age(obj: Object, now: datetime) -> str:
    return since(obj["metadata"].get("creationTimestamp"), now)


def name(obj: Object) -> str:
    shown: str = obj["metadata"].get("name") or ""
    return shown


def labels(found: Mapping[str, str] | None) -> str:
    return ",".join(sorted(f"{key}={value}" for key, value in (found or {}).items())) or NONE


def selector(found: Object | None) -> str:
    """A label selector as one line."""
    if not found:
        return NONE
    parts = [(key, f"{key}={value}") for key, value in (found.get("matchLabels") or {}).items()]
    parts += [(expression.get("key") or "", _expression(expression)) for expression in found.get("matchExpressions") or ()]
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0])) or NONE


def _expression(expression: Object) -> str:
    key, operator = expression.get("key", ""), expression.get("operator", "")
    if operator in ("Exists", "DoesNotExist"):
        return f"{'' if operator == 'Exists' else '!'}{key}"
    values = ",".join(sorted(expression.get("values") or ()))
    return f"{key} {operator.lower()} ({values})"


def containers(spec: Object) -> tuple[str, str]:
    """Names and images of a pod template's containers."""
    found = spec.get("containers") or ()
    return ",".join(each.get("name") or "" for each in found), ",".join(each.get("image") or "" for each in found)


def shortened(values: Iterable[str]) -> str:
    """The first few, and how many more there are."""
    found = list(values)
    shown = ",".join(found[:SHOWN_MAX])
    return f"{shown} + {len(found) - SHOWN_MAX} more..." if len(found) > SHOWN_MAX else shown
