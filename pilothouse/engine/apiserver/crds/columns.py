"""Printer columns of custom resources.

Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.crds.jsonpath import find
from pilothouse.engine.apiserver.kinds.kind import Column
from pilothouse.model import meta
from pilothouse.model.json import Object, dumps


def columns_of(printed: list[Object]) -> tuple[Column, ...]:
    return tuple(
        Column(
            column["name"],
            column.get("description") or f"Custom resource definition column (in JSONPath format): {column['jsonPath']}",
            column["type"],
            column.get("format", ""),
            column.get("priority", 0),
        )
        for column in printed
    )


def column_of(obj: Object, column: Object, now: datetime) -> Any:
    found = find(obj, column["jsonPath"])
    if not found:
        return None
    value, type = found[0], column["type"]
    if type == "date":
        return age(str(value), now)
    if type == "string":
        return ",".join(_text(each) for each in found) if len(found) > 1 else _text(value)
    return value if _fits(value, type) else None


def _fits(value: Any, type: str) -> bool:
    if type == "boolean":
        return isinstance(value, bool)
    numbers = int if type == "integer" else int | float
    return isinstance(value, numbers) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return dumps(value).decode() if isinstance(value, dict | list | bool) else str(value)


def age(stamp: str, now: datetime) -> str:
    """Time since, as kubectl shows it; source: apimachinery/pkg/util/duration/HumanDuration."""
    try:
        seconds = int(now.timestamp() - meta.parse_rfc3339(stamp))
    except ValueError:
        return "<unknown>"
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 2 * 365:
        return f"{days}d"
    years, rest = divmod(days, 365)
    return f"{years}y{rest}d" if days < 8 * 365 and rest else f"{years}y"
