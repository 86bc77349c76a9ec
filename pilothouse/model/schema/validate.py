"""Validation of custom resources by their structural schema, in upstream's wording.

Composite failures (allOf, anyOf, oneOf, not) and numbers out of their format's range have no field in upstream's answers: it is `<nil>`.
Source: kube-openapi/pkg/validation/validate; apiextensions-apiserver/pkg/apiserver/{validation,schema/listtype}.
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from pilothouse.model.errors import MOST_CAUSES, Cause
from pilothouse.model.json import Object, dumps, fingerprint, same
from pilothouse.model.schema.formats import FORMATS
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.regex import Pattern, compiled

INVALID, TYPE, REQUIRED = "FieldValueInvalid", "FieldValueTypeInvalid", "FieldValueRequired"
NOT_SUPPORTED, TOO_LONG, TOO_MANY, DUPLICATE = "FieldValueNotSupported", "FieldValueTooLong", "FieldValueTooMany", "FieldValueDuplicate"
NOWHERE = "<nil>"

_INT64 = range(-(2**63), 2**63)
_RANGES = {"int32": range(-(2**31), 2**31), "int64": _INT64, "uint32": range(2**32), "uint64": range(2**64)}


_FREE_CHECKS, _CHECKS_EACH = 100_000, 4
"""What alternatives and patterns may take beside the one walk over all values: so many checks, and so many more for each value.

A check takes about a microsecond.
"""
_SHOWN_VALUES = 200
_STEPS_A_CHECK = 250
"""Of a pattern: its size times the length of the text is what it takes at worst."""
_TOO_MANY_CHECKS = (
    "Too many: the schema's alternatives (allOf, anyOf, oneOf, not) and patterns take more than "
    f"{_FREE_CHECKS} checks of this object: use fewer or shorter values, or a simpler schema"
)


class _Nothing:
    """Stands for an old value where none corresponds; None is one."""


_NOTHING = _Nothing()


class _TooMuch(Exception):
    """The value would take more checks than one may."""


def validate(node: Node, value: Any, path: str) -> list[Cause]:
    """What is wrong: first with the values, then with lists of unique items. Of each, no more than an answer shows."""
    return _enough(_Walk().value(node, value, path)) + _enough(_lists(node, value, path))


def validate_change(node: Node, value: Any, old: Any, path: str) -> list[Cause]:
    """The same of a value that takes the place of another: what was wrong before and has not changed is let be.

    Old values are found by field, by key of a map, and by the keys of a list of type map.
    Source: apiextensions-apiserver/pkg/apiserver/validation/ratcheting.go; a list with duplicates may have others.
    """
    causes = _enough(_Walk().value(node, value, path))
    if causes:
        causes = _enough(_Walk().changed(node, value, path, old))
    found = _enough(_lists(node, value, path))
    return causes + (found if found and not any(_lists(node, old, path)) else [])


def _enough(causes: Iterator[Cause]) -> list[Cause]:
    found: list[Cause] = []
    try:
        found.extend(islice(causes, MOST_CAUSES + 1))
    except _TooMuch:
        found.append(Cause(NOWHERE, TOO_MANY, _TOO_MANY_CHECKS))
    return found


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


class _Walk:
    """Over one value. Its methods yield causes, and raise _TooMuch."""

    def __init__(self) -> None:
        self._left = _FREE_CHECKS

    def changed(self, node: Node, value: Any, path: str, old: Any) -> Iterator[Cause]:
        if old is _NOTHING or not same(value, old):
            self._left += _CHECKS_EACH
            yield from self.value(node, value, path, old)

    def value(self, node: Node, value: Any, path: str, old: Any = _NOTHING) -> Iterator[Cause]:
        """old: what corresponds to the value, where parts that have not changed are to be let be."""
        yield from _type(node, value, path)
        if value is None:
            return
        if node.checks:
            yield from self._combined(node.checks, value, path, old)
        if type(value) is str:
            yield from self._string(node, value, path)
        elif type(value) is list:
            yield from self._list(node, value, path, old)
        elif type(value) is not bool and isinstance(value, int | float):
            yield from _number(node, value, path)
        if node.enum:
            yield from _enum(node, value, path)
        if type(value) is dict:
            yield from self._object(node, value, path, old)

    def _spend(self, checks: int = 1) -> None:
        self._left -= checks
        if self._left < 0:
            raise _TooMuch

    def _alternative(self, node: Node, value: Any, path: str, old: Any) -> Iterator[Cause]:
        self._spend()
        return self.value(node, value, path, old)

    def _holds(self, node: Node, value: Any, path: str, old: Any) -> bool:
        return next(self._alternative(node, value, path, old), None) is None

    def _combined(self, checks: Object, value: Any, path: str, old: Any) -> Iterator[Cause]:
        if "anyOf" in checks:
            yield from self._any_of(checks["anyOf"], value, path, old)
        if "oneOf" in checks:
            yield from self._one_of(checks["oneOf"], value, path, old)
        if "allOf" in checks:
            yield from self._all_of(checks["allOf"], value, path, old)
        if "not" in checks and self._holds(checks["not"], value, path, old):
            yield _composite(f'"{path}" must not validate the schema (not)')

    def _any_of(self, schemas: tuple[Node, ...], value: Any, path: str, old: Any) -> Iterator[Cause]:
        if not any(self._holds(each, value, path, old) for each in schemas):
            yield _composite(f'"{path}" must validate at least one schema (anyOf)')
            yield from self._alternative(schemas[0], value, path, old)

    def _one_of(self, schemas: tuple[Node, ...], value: Any, path: str, old: Any) -> Iterator[Cause]:
        valid = sum(self._holds(each, value, path, old) for each in schemas)
        if valid == 1:
            return
        found = "Found none valid" if not valid else f"Found {valid} valid alternatives"
        yield _composite(f'"{path}" must validate one and only one schema (oneOf). {found}')
        if not valid:
            yield from self._alternative(schemas[0], value, path, old)

    def _all_of(self, schemas: tuple[Node, ...], value: Any, path: str, old: Any) -> Iterator[Cause]:
        failed = 0
        for each in schemas:
            causes = self._alternative(each, value, path, old)
            first = next(causes, None)
            if first is not None:
                failed += 1
                yield first
                yield from causes
        if failed:
            none = ". None validated" if failed == len(schemas) else ""
            yield _composite(f'"{path}" must validate all the schemas (allOf){none}')

    def _string(self, node: Node, value: str, path: str) -> Iterator[Cause]:
        checks = node.checks
        longest, shortest, pattern = checks.get("maxLength"), checks.get("minLength"), checks.get("pattern")
        if longest is not None and len(value) > longest:
            yield Cause(path, TOO_LONG, f"Too long: may not be more than {longest} bytes")
        elif shortest is not None and len(value) < shortest:
            yield invalid(path, value, f"{path} in body should be at least {shortest} chars long")
        elif pattern is not None:
            expression = compiled(pattern)
            if expression is not None and not self._matches(expression, value):
                yield invalid(path, value, f"{path} in body should match '{pattern}'")
        accepts = FORMATS.get(node.format)
        if accepts is not None and node.type in ("string", "") and not accepts(value):
            yield Cause(path, TYPE, f"Invalid value: {show(value)}: {path} in body must be of type {node.format}: {show(value)}")

    def _matches(self, expression: Pattern, value: str) -> bool:
        self._spend(expression.size * len(value) // _STEPS_A_CHECK)
        return expression.search(value)

    def _list(self, node: Node, value: list[Any], path: str, old: Any) -> Iterator[Cause]:
        if node.items is not None:
            is_keyed = node.list_type == "map" and type(old) is list
            known = {fingerprint(_identity(node, each)): each for each in old} if is_keyed else {}
            for position, each in enumerate(value):
                before = known.get(fingerprint(_identity(node, each)), _NOTHING) if is_keyed else _NOTHING
                yield from self.changed(node.items, each, f"{path}[{position}]", before)
        least, most = node.checks.get("minItems"), node.checks.get("maxItems")
        if least is not None and len(value) < least:
            yield invalid(path, value, f"{path} in body should have at least {least} items")
        if most is not None and len(value) > most:
            yield Cause(path, TOO_MANY, f"Too many: {len(value)}: must have at most {most} items")
        if node.checks.get("uniqueItems") and len(set(map(fingerprint, value))) < len(value):
            yield invalid(path, value, f"{path} in body shouldn't contain duplicates")

    def _object(self, node: Node, value: dict[str, Any], path: str, old: Any) -> Iterator[Cause]:
        least, most = node.checks.get("minProperties"), node.checks.get("maxProperties")
        if least is not None and len(value) < least:
            yield invalid(path, value, f"{path} in body should have at least {least} properties")
            return
        if most is not None and len(value) > most:
            yield Cause(path, TOO_MANY, f"Too many: {len(value)}: must have at most {most} items")
            return
        corresponds = type(old) is dict and node.map_type != "atomic"
        for key, each in value.items():
            child = node.properties.get(key) or node.additional
            if child is not None:
                before = old.get(key, _NOTHING) if corresponds else _NOTHING
                yield from self.changed(child, each, f"{path}.{key}" if path else key, before)
        for key in _required(node):
            if key not in value:
                yield Cause(f"{path}.{key}" if path else key, REQUIRED, "Required value")


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


def _enum(node: Node, value: Any, path: str) -> Iterator[Cause]:
    if node.marks is None:
        node.marks = frozenset(map(_mark, node.enum))
    if _mark(value) not in node.marks:
        shown = ", ".join(f'"{each if isinstance(each, str) else show(each)}"' for each in node.enum[:_SHOWN_VALUES])
        more = f" and {len(node.enum) - _SHOWN_VALUES} more" if len(node.enum) > _SHOWN_VALUES else ""
        yield Cause(path, NOT_SUPPORTED, f"Unsupported value: {show(value)}: supported values: {shown}{more}")


def _mark(value: Any) -> bytes:
    """What two values share exactly when they are the same."""
    try:
        return fingerprint(_settled(value))
    except TypeError:  # A number of more than 64 bits.
        return repr(_settled(value)).encode()


def _settled(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
        shown = _identity(node, each)
        mark = fingerprint(shown)
        if mark in seen:
            yield Cause(f"{path}[{position}]", DUPLICATE, f"Duplicate value: {show(shown)}")
        seen.add(mark)


def _identity(node: Node, item: Any) -> Any:
    """What tells an item of a set or a map from the others."""
    return {key: item.get(key) for key in node.list_map_keys} if node.list_type == "map" and isinstance(item, dict) else item
