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

    name: of the identifier, field or function; of a comprehension's accumulator; of the message that a struct makes, "" for a map.
    type: of a constant; text: its value when it is a string, number: when it is an int, size: when it is a text or bytes.
    below: a select's operand; a call's target (if any) and arguments; a comprehension's range, first value, condition, step and result;
    of a struct, keys (unless of a message) and values by turns.
    has_target: of a call, whether the first is its target. is_test: of a select, whether it only asks for presence.
    """

    id: int
    kind: str
    name: str = ""
    type: str = ""
    text: str = ""
    number: int | None = None
    size: int = 1
    below: "tuple[Expr, ...]" = ()
    variables: tuple[str, ...] = ()
    has_target: bool = False
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Type:
    """kind: dyn, null, bool, int, uint, double, string, bytes, any, timestamp, duration, list, map, message, type, other, or optional.

    name: of a message. parameters: of a list (its items), a map (keys, values), an optional value.
    """

    kind: str
    name: str = ""
    parameters: "tuple[Type, ...]" = ()


DYN = Type("dyn")


@dataclass(frozen=True, slots=True)
class Tree:
    """By the id of an expression: positions: where in the text it stands; types: its type; overloads: of a call, those that it may mean."""

    root: Expr
    positions: dict[int, int] = field(default_factory=dict)
    types: dict[int, Type] = field(default_factory=dict)
    overloads: dict[int, tuple[str, ...]] = field(default_factory=dict)

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
    types: dict[int, Type] = {}
    overloads: dict[int, tuple[str, ...]] = {}
    for number, value in _fields(checked):
        if number in (2, 3):
            entry = dict(_fields(value))
            found = entry.get(2, b"")
            if number == 3:
                types[entry.get(1, 0)] = _type(found)
            else:
                overloads[entry.get(1, 0)] = tuple(each.decode() for kind, each in _fields(found) if kind == 3)
    return Tree(_expr(_first(checked, 4)), positions, types, overloads)


_PRIMITIVES = ("dyn", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN = ("dyn", "any", "timestamp", "duration")


def _type(data: bytes) -> Type:
    for kind, value in _fields(data):
        match kind:
            case 2:
                return Type("null")
            case 3 | 4:
                return Type(_PRIMITIVES[value])
            case 5:
                return Type(_WELL_KNOWN[value])
            case 6:
                return Type("list", "", (_type(_first(value, 1)),))
            case 7:
                return Type("map", "", (_type(_first(value, 1)), _type(_first(value, 2))))
            case 9:
                return Type("message", value.decode())
            case 11:
                return Type("type")
            case 14:
                parameters = tuple(_type(each) for number, each in _fields(value) if number == 2)
                return Type("optional" if _first(value, 1) == b"optional_type" else "other", _first(value, 1).decode(), parameters)
            case _:
                return DYN
    return DYN


def _expr(data: bytes) -> Expr:
    found = dict(_fields(data))
    number = found.get(2, 0)
    for kind, build in _BUILDERS.items():
        if kind in found:
            return build(number, found[kind])
    return Expr(number, "const", type="null")


def _const(number: int, data: bytes) -> Expr:
    for kind, value in _fields(data):
        text = value.decode() if kind == 6 else ""
        size = len(text) if kind == 6 else len(value) if kind == 7 else 1
        return Expr(number, "const", type=_CONSTANTS.get(kind, "dyn"), text=text, number=value if kind == 3 else None, size=size)
    return Expr(number, "const", type="null")


def _ident(number: int, data: bytes) -> Expr:
    return Expr(number, "ident", _first(data, 1).decode())


def _select(number: int, data: bytes) -> Expr:
    is_test = any(kind == 3 and value for kind, value in _fields(data))
    return Expr(number, "select", _first(data, 2).decode(), below=(_expr(_first(data, 1)),), is_test=is_test)


def _call(number: int, data: bytes) -> Expr:
    fields = list(_fields(data))
    below = [_expr(value) for wanted in (1, 3) for kind, value in fields if kind == wanted]
    return Expr(number, "call", _first(data, 2).decode(), below=tuple(below), has_target=any(kind == 1 for kind, _ in fields))


def _list(number: int, data: bytes) -> Expr:
    return Expr(number, "list", below=tuple(_expr(value) for kind, value in _fields(data) if kind == 1))


def _struct(number: int, data: bytes) -> Expr:
    entries = [dict(_fields(value)) for kind, value in _fields(data) if kind == 2]
    name = _first(data, 1).decode()
    return Expr(number, "struct", name, below=tuple(_expr(entry[part]) for entry in entries for part in (3, 4) if part in entry))


def _comprehension(number: int, data: bytes) -> Expr:
    parts = dict(_fields(data))
    variables = tuple(parts[kind].decode() for kind in (1, 8) if parts.get(kind))
    below = tuple(_expr(parts[kind]) for kind in (2, 4, 5, 6, 7) if kind in parts)
    return Expr(number, "comprehension", parts.get(3, b"").decode(), below=below, variables=variables)


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
