"""A compiled expression's syntax tree, decoded from the form in which the implementation hands it out.

Source: cel-spec, proto/cel/expr/checked.proto and syntax.proto; only the fields that are looked at here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pilothouse.model.protobuf.wire import BLOCK, FIXED64, VARINT, block, skip, varint

_CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 3, 4, 5, 6, 7, 8, 9
_CONSTANTS = {1: "null", 2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}


@dataclass(frozen=True, slots=True)
class Expr:
    """kind: const, ident, select, call, list, struct or comprehension.

    name: of the identifier, field or function; the variable of a comprehension. type: of a constant; text: its value when it is a string.
    below: a select's operand; a call's target (if any) and arguments; a comprehension's range, then its other parts.
    """

    id: int
    kind: str
    name: str = ""
    type: str = ""
    text: str = ""
    below: "tuple[Expr, ...]" = ()
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """positions: where in the text an expression stands, by its id."""

    root: Expr
    positions: dict[int, int] = field(default_factory=dict)

    def walk(self) -> Iterator[tuple[Expr, int]]:
        """Every expression, and in how many comprehensions it stands."""
        pending = [(self.root, 0)]
        while pending:
            found, depth = pending.pop()
            yield found, depth
            inner = depth + 1 if found.kind == "comprehension" else depth
            pending.extend((each, depth if at == 0 else inner) for at, each in enumerate(found.below))


def decode(serialized: bytes) -> Tree:
    """From a serialized CheckedExpr in a google.protobuf.Any."""
    checked = _first(serialized, 2)
    positions: dict[int, int] = {}
    for number, value in _fields(_first(checked, 5)):
        if number == 4:
            pair = dict(_fields(value))
            positions[pair.get(1, 0)] = pair.get(2, 0)
    return Tree(_expr(_first(checked, 4)), positions)


def _expr(data: bytes) -> Expr:
    found = dict(_fields(data))
    number = found.get(2, 0)
    for kind, build in _BUILDERS.items():
        if kind in found:
            return build(number, found[kind])
    return Expr(number, "const", type="null")


def _const(number: int, data: bytes) -> Expr:
    for kind, value in _fields(data):
        return Expr(number, "const", type=_CONSTANTS.get(kind, "dyn"), text=value.decode() if kind == 6 else "")
    return Expr(number, "const", type="null")


def _ident(number: int, data: bytes) -> Expr:
    return Expr(number, "ident", _first(data, 1).decode())


def _select(number: int, data: bytes) -> Expr:
    return Expr(number, "select", _first(data, 2).decode(), below=(_expr(_first(data, 1)),))


def _call(number: int, data: bytes) -> Expr:
    fields = list(_fields(data))
    below = [_expr(value) for wanted in (1, 3) for kind, value in fields if kind == wanted]
    return Expr(number, "call", _first(data, 2).decode(), below=tuple(below))


def _list(number: int, data: bytes) -> Expr:
    return Expr(number, "list", below=tuple(_expr(value) for kind, value in _fields(data) if kind == 1))


def _struct(number: int, data: bytes) -> Expr:
    entries = [dict(_fields(value)) for kind, value in _fields(data) if kind == 2]
    return Expr(number, "struct", below=tuple(_expr(entry[part]) for entry in entries for part in (3, 4) if part in entry))


def _comprehension(number: int, data: bytes) -> Expr:
    parts = dict(_fields(data))
    variables = tuple(parts[kind].decode() for kind in (1, 8) if parts.get(kind))
    below = tuple(_expr(parts[kind]) for kind in (2, 4, 5, 6, 7) if kind in parts)
    return Expr(number, "comprehension", below=below, variables=variables)


_BUILDERS = {
    _CONST: _const,
    _IDENT: _ident,
    _SELECT: _select,
    _CALL: _call,
    _LIST: _list,
    _STRUCT: _struct,
    _COMPREHENSION: _comprehension,
}


def _first(data: bytes, wanted: int) -> bytes:
    return next((value for number, value in _fields(data) if number == wanted), b"")


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    pos, end = 0, len(data)
    while pos < end:
        key, pos = varint(data, pos, end)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, pos = varint(data, pos, end)
            yield number, value
        elif wire == BLOCK:
            start, pos = block(data, pos, end)
            yield number, data[start:pos]
        elif wire == FIXED64:
            yield number, struct.unpack_from("<d", data, pos)[0]
            pos += 8
        else:
            pos = skip(data, pos, end, key)
