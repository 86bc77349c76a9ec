"""Printer columns of custom resources.

Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor.
"""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.crds.jsonpath import find
from pilothouse.engine.apiserver.kinds.kind import Column
from pilothouse.engine.apiserver.kinds.printers.text import UNKNOWN, since
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
    """The first of what is found: a cell has one value."""
    found = find(obj, column["jsonPath"])
    if not found:
        return None
    value, type = found[0], column["type"]
    if type == "string":
        return _text(value)
    if type == "date":
        return _age(value, now) if isinstance(value, str) else None
    if type == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if type == "integer" else value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return dumps(value).decode() if isinstance(value, dict | list | bool) else str(value)


def _age(stamp: str, now: datetime) -> str:
    if stamp in ("", "null"):
        return UNKNOWN
    try:
        return since(stamp, now)
    except ValueError:
        return "<invalid>"
