"""Comprehensions that make maps, rewritten: they make lists of entries, of which one call makes a map at the end.

The implementation writes the macros transformMap and transformMapEntry out as steps of `cel.@mapInsert`, which it does not carry out.
Carried out here, each step would copy the whole map; to a list it appends.
Source: cel-spec, proto/cel/expr/checked.proto and syntax.proto; cel-go ext/comprehensions.go.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from pilothouse.model.cel.functions.maps import INSERT, OF_MAPS, OF_PAIRS
from pilothouse.model.protobuf import encode
from pilothouse.model.protobuf.wire import BLOCK, block, skip, varint

_Change = Callable[[bytes], bytes]
_SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 5, 6, 7, 8, 9
_FUNCTION, _ARGUMENT, _ELEMENT = 2, 3, 1
_FIRST_VALUE, _STEP = 4, 6
_CONDITIONAL = "_?_:_"


def with_lists_of_entries(serialized: bytes) -> bytes:
    """A serialized CheckedExpr in a google.protobuf.Any."""
    if INSERT.encode() not in serialized:
        return serialized
    return _rebuilt(serialized, {2: partial(_rebuilt, changes={4: _expr})})


def _expr(data: bytes) -> bytes:
    data = _rebuilt(data, _BELOW)
    made_of = _made_of(_only(_only(_only(data, _COMPREHENSION), _STEP), _CALL))
    if not made_of:
        return data
    # The comprehension has exactly the form of the macro `map`: only that one is carried out without a copy in each step.
    changes: dict[int, _Change] = {_FIRST_VALUE: lambda _: _list(), _STEP: _appending}
    return _call(made_of, _rebuilt(data, {_COMPREHENSION: partial(_rebuilt, changes=changes)}))


def _made_of(call: bytes) -> str:
    """What makes the map of the entries that a step adds; "" for a step that adds none."""
    arguments = _all(call, _ARGUMENT)
    match _only(call, _FUNCTION).decode():
        case "_?_:_":
            return _made_of(_only(arguments[1], _CALL))
        case "cel.@mapInsert":
            return OF_PAIRS if len(arguments) == 3 else OF_MAPS
    return ""


def _appending(step: bytes) -> bytes:
    call = _only(step, _CALL)
    arguments = _all(call, _ARGUMENT)
    if _only(call, _FUNCTION).decode() == _CONDITIONAL:
        return _call(_CONDITIONAL, arguments[0], _appending(arguments[1]), arguments[2])
    entry = _list(*arguments[1:]) if len(arguments) == 3 else arguments[1]
    return _call("_+_", arguments[0], _list(entry))


def _call(function: str, *arguments: bytes) -> bytes:
    named = encode.block(_FUNCTION, function.encode())
    return encode.block(_CALL, named + b"".join(encode.block(_ARGUMENT, each) for each in arguments))


def _list(*elements: bytes) -> bytes:
    return encode.block(_LIST, b"".join(encode.block(_ELEMENT, each) for each in elements))


def _rebuilt(data: bytes, changes: Mapping[int, _Change]) -> bytes:
    """A message with some of its embedded messages changed."""
    return b"".join(
        encode.block(number, changes[number](content)) if content is not None and number in changes else whole
        for number, content, whole in _fields(data)
    )


def _all(data: bytes, wanted: int) -> list[bytes]:
    return [content for number, content, _ in _fields(data) if number == wanted and content is not None]


def _only(data: bytes, wanted: int) -> bytes:
    return next(iter(_all(data, wanted)), b"")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | None, bytes]]:
    """(number, content of an embedded message or text, the whole field)."""
    start, end = 0, len(data)
    while start < end:
        key, pos = varint(data, start, end)
        content = None
        if key & 7 == BLOCK:
            first, after = block(data, pos, end)
            content = data[first:after]
        else:
            after = skip(data, pos, end, key)
        yield key >> 3, content, data[start:after]
        start = after


_BELOW: Mapping[int, _Change] = {
    _SELECT: partial(_rebuilt, changes={1: _expr}),
    _CALL: partial(_rebuilt, changes={1: _expr, 3: _expr}),
    _LIST: partial(_rebuilt, changes={1: _expr}),
    _STRUCT: partial(_rebuilt, changes={2: partial(_rebuilt, changes={3: _expr, 4: _expr})}),
    _COMPREHENSION: partial(_rebuilt, changes=dict.fromkeys((2, 4, 5, 6, 7), _expr)),
}
