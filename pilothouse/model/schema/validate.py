"""Validation of custom resources by their structural schema, in upstream's wording.

Composite failures (allOf, anyOf, oneOf, not) and numbers out of their format's range have no field in upstream's answers: it is `<nil>`.
Source: kube-openapi/pkg/validation/validate; apiextensions-apiserver/pkg/apiserver/{validation,schema/listtype}.
"""

import math
from collections.abc import Iterator
from typing import Any

from pilothouse.model.errors import Cause
from pilothouse.model.json import dumps, fingerprint, same
from pilothouse.model.schema.formats import FORMATS
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.regex import compiled

INVALID, TYPE, REQUIRED = "FieldValueInvalid", "FieldValueTypeInvalid", "FieldValueRequired"
NOT_SUPPORTED, TOO_LONG, TOO_MANY, DUPLICATE = "FieldValueNotSupported", "FieldValueTooLong", "FieldValueTooMany", "FieldValueDuplicate"
NOWHERE = "<nil>"

_INT64 = range(-(2**63), 2**63)
_RANGES = {"int32": range(-(2**31), 2**31), "int64": _INT64, "uint32": range(2**32), "uint64": range(2**64)}


def validate(node: Node, value: Any, path: str) -> list[Cause]:
    """All causes: those of the values first, then those of lists with unique items."""
    return [*_value(node, value, path), *_lists(node, value, path)]


def show(value: Any) -> str:
    """A value as error messages print it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return dumps(value).decode() if isinstance(value, str | dict | list) else str(value)


def invalid(path: str, value: Any, message: str) -> Cause:
    return Cause(path or NOWHERE, INVALID, f"Invalid value: {show(value)}: {message}")


def _composite(message: str) -> Cause:
    return Cause(NOWHERE, INVALID, f'Invalid value: "": {message}')


def _value(node: Node, value: Any, path: str) -> Iterator[Cause]:
    if value is None:
        yield from _type(node, value, path)
        return
    yield from _type(node, value, path)
    yield from _combined(node, value, path)
    if type(value) is str:
        yield from _string(node, value, path)
    elif type(value) is list:
        yield from _list(node, value, path)
    elif type(value) is not bool and isinstance(value, int | float):
        yield from _number(node, value, path)
    yield from _enum(node, value, path)
    if type(value) is dict:
        yield from _object(node, value, path)


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "integer" if float(value).is_integer() and int(value) in _INT64 else "number"


def _type(node: Node, value: Any, path: str) -> Iterator[Cause]:
    wanted = "integer,string" if node.int_or_string else node.type
    found = _kind(value)
    if not wanted or found in wanted.split(",") or (found == "integer" and wanted == "number") or (value is None and node.nullable):
        return
    yield Cause(path, TYPE, f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"')


def _combined(node: Node, value: Any, path: str) -> Iterator[Cause]:
    checks = node.checks
    if "anyOf" in checks:
        yield from _any_of(checks["anyOf"], value, path)
    if "oneOf" in checks:
        yield from _one_of(checks["oneOf"], value, path)
    if "allOf" in checks:
        results = [list(_value(each, value, path)) for each in checks["allOf"]]
        yield from (cause for causes in results for cause in causes)
        if any(results):
            none = ". None validated" if all(results) else ""
            yield _composite(f'"{path}" must validate all the schemas (allOf){none}')
    if "not" in checks and next(_value(checks["not"], value, path), None) is None:
        yield _composite(f'"{path}" must not validate the schema (not)')


def _any_of(schemas: tuple[Node, ...], value: Any, path: str) -> Iterator[Cause]:
    results = [list(_value(each, value, path)) for each in schemas]
    if all(results):
        yield _composite(f'"{path}" must validate at least one schema (anyOf)')
        yield from results[0]


def _one_of(schemas: tuple[Node, ...], value: Any, path: str) -> Iterator[Cause]:
    results = [list(_value(each, value, path)) for each in schemas]
    valid = sum(not causes for causes in results)
    if valid == 1:
        return
    found = "Found none valid" if not valid else f"Found {valid} valid alternatives"
    yield _composite(f'"{path}" must validate one and only one schema (oneOf). {found}')
    if not valid:
        yield from results[0]


def _string(node: Node, value: str, path: str) -> Iterator[Cause]:
    checks = node.checks
    longest, shortest, pattern = checks.get("maxLength"), checks.get("minLength"), checks.get("pattern")
    if longest is not None and len(value) > longest:
        yield Cause(path, TOO_LONG, f"Too long: may not be more than {longest} bytes")
    elif shortest is not None and len(value) < shortest:
        yield invalid(path, value, f"{path} in body should be at least {shortest} chars long")
    elif pattern is not None:
        expression = compiled(pattern)
        if expression is not None and not expression.search(value):
            yield invalid(path, value, f"{path} in body should match '{pattern}'")
    accepts = FORMATS.get(node.format)
    if accepts is not None and node.type in ("string", "") and not accepts(value):
        yield Cause(path, TYPE, f"Invalid value: {show(value)}: {path} in body must be of type {node.format}: {show(value)}")


def _number(node: Node, value: float, path: str) -> Iterator[Cause]:
    if node.type == "integer" and not _in_format(node.format, value):
        form = f"with format {node.format}" if node.format in _RANGES else "(default format)"
        yield _composite(f"Checked value must be of type integer {form} in {path}")
        return
    checks = node.checks
    factor, most, least = checks.get("multipleOf"), checks.get("maximum"), checks.get("minimum")
    if factor and not _is_multiple(value, factor):
        yield invalid(path, value, f"{path} in body should be a multiple of {show(factor)}")
    if most is not None and (value >= most if checks.get("exclusiveMaximum") else value > most):
        bound = "less than" if checks.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {bound} {show(most)}")
    if least is not None and (value <= least if checks.get("exclusiveMinimum") else value < least):
        bound = "greater than" if checks.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {bound} {show(least)}")


def _in_format(format: str, value: float) -> bool:
    return float(value).is_integer() and int(value) in _RANGES.get(format, _INT64)


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    quotient = value / factor
    return math.isfinite(quotient) and abs(quotient - round(quotient)) < 1e-9 * max(1.0, abs(quotient))


def _list(node: Node, value: list[Any], path: str) -> Iterator[Cause]:
    if node.items is not None:
        for position, each in enumerate(value):
            yield from _value(node.items, each, f"{path}[{position}]")
    least, most = node.checks.get("minItems"), node.checks.get("maxItems")
    if least is not None and len(value) < least:
        yield invalid(path, value, f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        yield Cause(path, TOO_MANY, f"Too many: {len(value)}: must have at most {most} items")
    if node.checks.get("uniqueItems") and len(set(map(fingerprint, value))) < len(value):
        yield invalid(path, value, f"{path} in body shouldn't contain duplicates")


def _enum(node: Node, value: Any, path: str) -> Iterator[Cause]:
    if node.enum and not any(same(_settled(value), _settled(each)) for each in node.enum):
        allowed = ", ".join(f'"{each if isinstance(each, str) else show(each)}"' for each in node.enum)
        yield Cause(path, NOT_SUPPORTED, f"Unsupported value: {show(value)}: supported values: {allowed}")


def _settled(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _object(node: Node, value: dict[str, Any], path: str) -> Iterator[Cause]:
    least, most = node.checks.get("minProperties"), node.checks.get("maxProperties")
    if least is not None and len(value) < least:
        yield invalid(path, value, f"{path} in body should have at least {least} properties")
        return
    if most is not None and len(value) > most:
        yield Cause(path, TOO_MANY, f"Too many: {len(value)}: must have at most {most} items")
        return
    for key, each in value.items():
        child = node.properties.get(key) or node.additional
        if child is not None:
            yield from _value(child, each, f"{path}.{key}" if path else key)
    for key in _required(node):
        if key not in value:
            yield Cause(f"{path}.{key}" if path else key, REQUIRED, "Required value")


def _required(node: Node) -> tuple[str, ...]:
    return (*node.required, *(key for key in ("apiVersion", "kind") if node.embedded and key not in node.required))


def _lists(node: Node, value: Any, path: str) -> Iterator[Cause]:
    """Duplicates in lists that are sets or maps."""
    if type(value) is list:
        if node.list_type in ("set", "map"):
            yield from _duplicates(node, value, path)
        if node.items is not None:
            for position, each in enumerate(value):
                yield from _lists(node.items, each, f"{path}[{position}]")
    elif type(value) is dict:
        for key, each in value.items():
            child = node.properties.get(key) or node.additional
            if child is not None:
                yield from _lists(child, each, f"{path}.{key}" if path else key)


def _duplicates(node: Node, value: list[Any], path: str) -> Iterator[Cause]:
    seen: set[bytes] = set()
    for position, each in enumerate(value):
        shown = {key: each.get(key) for key in node.list_map_keys} if node.list_type == "map" and isinstance(each, dict) else each
        mark = fingerprint(shown)
        if mark in seen:
            yield Cause(f"{path}[{position}]", DUPLICATE, f"Duplicate value: {show(shown)}")
        seen.add(mark)
