"""Causes as upstream words them: one function for each type of field error, and how a bad value is shown inside a message.

Paths are plain strings (`spec.containers[0].name`), composed where they are needed: on the hot path nothing is wrong and an
f-string is the cheapest path there is.
Source: apimachinery/pkg/util/validation/field/errors.go.
"""

from collections.abc import Iterable
from typing import Any

from pilothouse.model.errors import Cause
from pilothouse.model.json import dumps

IMMUTABLE = "field is immutable"


def shown(value: Any) -> str:
    if isinstance(value, str) or value is None or isinstance(value, dict | list | tuple):
        return dumps(value).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


def child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _detailed(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, "FieldValueInvalid", _detailed(f"Invalid value: {shown(value)}", detail))


def type_invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, "FieldValueTypeInvalid", _detailed(f"Invalid value: {shown(value)}", detail))


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, "FieldValueRequired", _detailed("Required value", detail))


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    detail = "supported values: " + ", ".join(f'"{each}"' for each in supported)
    return Cause(path, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: {detail}")


def duplicate(path: str, value: Any, detail: str = "") -> Cause:
    return Cause(path, "FieldValueDuplicate", _detailed(f"Duplicate value: {shown(value)}", detail))


def forbidden(path: str, detail: str) -> Cause:
    return Cause(path, "FieldValueForbidden", f"Forbidden: {detail}")


def not_found(path: str, value: Any, detail: str = "") -> Cause:
    return Cause(path, "FieldValueNotFound", _detailed(f"Not found: {shown(value)}", detail))


def too_long(path: str, limit_bytes: int) -> Cause:
    return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {limit_bytes} bytes")


def too_many(path: str, count: int, limit: int) -> Cause:
    return Cause(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def immutable(path: str, new: Any, old: Any) -> list[Cause]:
    """Nothing when both are equal."""
    return [] if new == old else [invalid(path, new, IMMUTABLE)]


def each_invalid(path: str, value: Any, messages: Iterable[str]) -> list[Cause]:
    return [invalid(path, value, message) for message in messages]


def non_negative(path: str, value: int | None) -> list[Cause]:
    if value is None or value >= 0:
        return []
    return [invalid(path, value, "must be greater than or equal to 0")]
