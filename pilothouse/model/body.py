"""Request bodies to values, with what strict field validation wants to know: which fields occur more than once.

`loads_strict` costs little more than plain decoding: a body has no duplicates when its value encodes to as many colons.
Bodies that the fast decoder refuses are read by the tolerant parser, which explains them in Go's words but is slow; large ones by
the standard library's decoder, whose explanation is nearly Go's.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from pilothouse.model import yaml
from pilothouse.model.json import JSONError, dumps, loads
from pilothouse.model.syntax import DUPLICATES_MAX, SyntaxProblem, parse, quoted
from pilothouse.model.yaml import YAMLProblem

__all__ = ["SLOWLY_BYTES", "SyntaxProblem", "YAMLProblem", "fields", "loads_strict", "loads_yaml"]

SLOWLY_BYTES = 32 * 1024
"""The largest body for the tolerant parser, which takes about a microsecond a byte."""

_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_LONG_NUMBER = re.compile("[0-9]{20}")
_WHERE = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair or array element",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX escape": "in \\u hexadecimal character escape",
}


def loads_strict(data: bytes) -> tuple[Any, list[str]]:
    """The JSON value and the paths of duplicate fields (`metadata.labels.a`), at most DUPLICATES_MAX. Raises SyntaxProblem."""
    try:
        value = loads(data)
    except JSONError:
        return parse(data) if len(data) <= SLOWLY_BYTES else _tolerant(data)
    if _has_each_field_once(data, value):
        return value, []
    try:
        return value, _duplicates(_pairs(data.decode()))
    except RecursionError:  # Deeper than the standard library goes, and within what the fast decoder takes.
        return value, parse(data)[1] if len(data) <= SLOWLY_BYTES else []


def loads_yaml(data: bytes) -> tuple[Any, list[str]]:
    """As `yaml.loads_yaml`. JSON, which clients send as YAML too, is read by the fast decoder; where fields occur twice, only
    the slow one knows their lines, which large documents do without."""
    if data[:1] == b"{" and _is_json(data):
        value, duplicates = loads_strict(data)
        if not duplicates:
            return value, []
        if len(data) > SLOWLY_BYTES:
            return value, [f'key "{path}" already set in map' for path in duplicates]
    return yaml.loads_yaml(data)


def _is_json(data: bytes) -> bool:
    try:
        loads(data)
    except JSONError:
        return False
    return True


def _has_each_field_once(data: bytes, value: Any) -> bool:
    """Whether that is certain at a glance: with each field that came again, a colon of the text is gone from its value. Those within
    strings stay, as long as none is written as an escape."""
    if b"\\u003a" in data or b"\\u003A" in data:
        return False
    try:
        return dumps(value).count(b":") == data.count(b":")
    except TypeError:  # nested deeper than the encoder goes
        return False


def _tolerant(data: bytes) -> tuple[Any, list[str]]:
    """As Go reads it: bytes that are no UTF-8 and lone surrogates become U+FFFD."""
    text = _ESCAPE.sub(lambda match: "\\ufffd" if match[1] else match[0], data.decode("utf-8", "replace"))
    try:
        # A function for each number would cost more than all the rest, and few texts have numbers that need one.
        integer = _integer if _LONG_NUMBER.search(text) else None
        return json.loads(text, parse_int=integer, parse_constant=_no_constant), _duplicates(_pairs(text))
    except json.JSONDecodeError as error:
        raise _explained(error, text) from None
    except RecursionError:
        raise SyntaxProblem("exceeded max depth") from None


def _integer(text: str) -> int | float:
    return int(text) if len(text) < 20 else float(text)


def _no_constant(name: str) -> NoReturn:
    raise SyntaxProblem(f"invalid character {quoted(name.lstrip('-')[0])} looking for beginning of value")


def _explained(error: json.JSONDecodeError, text: str) -> SyntaxProblem:
    at = error.pos + 1 if error.msg.startswith("Invalid \\") else error.pos
    where = _WHERE.get(error.msg)
    if where is None or at >= len(text):
        return SyntaxProblem("unexpected end of JSON input")
    return SyntaxProblem(f"invalid character {quoted(text[at])} {where}")


_TWICE = object()


class _Members(tuple[tuple[str, Any], ...]):
    """An object's fields in the order they came, those that came twice included."""


def _pairs(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_Members, parse_int=str if _LONG_NUMBER.search(text) else None, parse_constant=str)


def fields(data: bytes) -> Iterator[tuple[str, bool]]:
    """The path of every field of a JSON text that has been read, in the order of the text, and whether its object had it already.

    As slow as the tolerant parser: for at most SLOWLY_BYTES.
    """
    pending: list[tuple[str, bool | None, Any]] = [("", None, _pairs(data.decode("utf-8", "replace")))]
    while pending:
        path, again, value = pending.pop()
        if again is not None:
            yield path, again
        if type(value) is _Members:
            pending.extend(reversed(list(_each_below(path, value))))
        elif type(value) is list:
            pending.extend((f"{path}[{at}]", None, each) for at, each in reversed(list(enumerate(value))))


def _each_below(path: str, members: _Members) -> Iterator[tuple[str, bool, Any]]:
    seen: set[str] = set()
    for key, value in members:
        yield f"{path}.{key}" if path else key, key in seen, value
        seen.add(key)


def _duplicates(root: Any) -> list[str]:
    """The paths of fields that came twice, in the order of the document."""
    found: dict[str, None] = {}
    pending: list[tuple[str, Any]] = [("", root)]
    while pending and len(found) < DUPLICATES_MAX:
        path, value = pending.pop()
        if value is _TWICE:
            found[path] = None
        elif type(value) is _Members:
            pending.extend(reversed(list(_below(path, value))))
        elif type(value) is list:
            pending.extend((f"{path}[{at}]", each) for at, each in reversed(list(enumerate(value))) if type(each) in (_Members, list))
    return list(found)


def _below(path: str, members: _Members) -> "list[tuple[str, Any]]":
    """What to look into, and the path (with a mark in place of a value) of each field that is there already."""
    seen: set[str] = set()
    found: list[tuple[str, Any]] = []
    for key, value in members:
        below = f"{path}.{key}" if path else key
        if key in seen:
            found.append((below, _TWICE))
        seen.add(key)
        if type(value) in (_Members, list):
            found.append((below, value))
    return found
