"""Messages to JSON objects.

A message type holds one reader a field, a closure that knows the field's name, shape and type; the readers are made when the type's first
value comes, so recursive types need no care and kinds that nobody sends cost nothing. A body is never copied but for its texts: readers
pass positions. A field that comes twice is merged as protobuf wants it: the last scalar wins, lists grow, messages merge.
"""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.protobuf.scalars import CONVERTERS, NUMBERS, UNIONS, Convert, double, text
from pilothouse.model.protobuf.table import INLINE, Field, fields
from pilothouse.model.protobuf.wire import (
    BLOCK,
    FIXED64,
    VARINT,
    ProtobufError,
    block,
    illegal_tag,
    skip,
    truncated,
    varint,
    wrong_wire_type,
)

MAX_DEPTH = 128
"""Messages in messages. Two frames of the interpreter's stack each."""

ReadBlock = Callable[[Object, bytes, int, int, int], None]
"""Takes the object to fill, the body, where the value starts and ends in it, and the depth of the message the field is in."""

ReadNumber = Callable[[Object, int], None]

_ALWAYS_SHOWN = frozenset({"raw", "intOrString"})


class Message:
    """A message type, by the name of its definition. `blocks`, `numbers` and `doubles` are readers by the key in front of a value."""

    def __init__(self, definition: str) -> None:
        self.definition = definition
        self.blocks: dict[int, ReadBlock] = {}
        self.numbers: dict[int, ReadNumber] = {}
        self.doubles: dict[int, Field] = {}

    @cached_property
    def names(self) -> dict[int, str]:
        """The fields' names by number. Asking for them makes the readers."""
        found = fields(self.definition)
        for field in found:
            self._add(field)
        return {field.number: field.name for field in found}

    def _add(self, field: Field) -> None:
        key = field.number << 3
        if field.type in NUMBERS:
            self.numbers[key | VARINT] = _number(field)
            if field.shape == "[]":
                self.blocks[key | BLOCK] = _packed(self.numbers[key | VARINT])
        elif field.type == "double":
            self.doubles[key | FIXED64] = field
        else:
            self.blocks[key | BLOCK] = _block(field)

    def read(self, into: Object, data: bytes, pos: int, end: int, depth: int) -> None:
        """Fill `into` with what stands between pos and end; raises ProtobufError."""
        names, blocks, numbers = self.names, self.blocks, self.numbers
        if depth > MAX_DEPTH:
            raise ProtobufError(f"messages are nested deeper than {MAX_DEPTH}")
        while pos < end:
            key = data[pos]
            pos += 1
            if key > 127:
                key, pos = varint(data, pos - 1, end)
            if key & 5:  # neither a variable-length number (0) nor a block (2)
                pos = self._rare(into, data, pos, end, key, names)
                continue
            if pos < end and data[pos] < 128:
                size = data[pos]
                pos += 1
            else:
                size, pos = varint(data, pos, end)
            if take := blocks.get(key):
                stop = pos + size
                if stop > end:
                    raise truncated()
                take(into, data, pos, stop, depth)
                pos = stop
            elif put := numbers.get(key):
                put(into, size)
            else:
                pos = _unknown(key, names, pos + size if key & 7 == BLOCK else pos, end)

    def _rare(self, into: Object, data: bytes, pos: int, end: int, key: int, names: dict[int, str]) -> int:
        """A field of fixed size. Returns the position after it."""
        after = skip(data, pos, end, key)
        field = self.doubles.get(key)
        if field is not None:
            _put(into, field.name, double(data, pos), keep=field.shape == "*")
            return after
        return _unknown(key, names, after, end)


def _unknown(key: int, names: dict[int, str], after: int, end: int) -> int:
    """The position after a field that no reader takes; raises ProtobufError when it is known, with another wire type."""
    number = key >> 3
    if number in names:
        raise wrong_wire_type(key & 7, names[number])
    if not number:
        raise illegal_tag(key)
    if after > end:
        raise truncated()
    return after


@cache
def message(definition: str) -> Message:
    """The message type of a definition that the table knows."""
    return Message(definition)


def _put(into: Object, name: str, value: Any, *, keep: bool) -> None:
    """keep: a zero is a value like any other."""
    if value or (keep and value is not None):
        into[name] = value
    elif name in into:
        del into[name]


def _number(field: Field) -> ReadNumber:
    convert, name, keep = NUMBERS[field.type], field.name, field.shape == "*"
    if field.shape == "[]":
        return lambda into, value: into.setdefault(name, []).append(convert(value))

    def read(into: Object, value: int) -> None:
        if value or keep:
            into[name] = convert(value)
        elif name in into:
            del into[name]

    return read


def _packed(take: ReadNumber) -> ReadBlock:
    def read(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        while pos < stop:
            value, pos = varint(data, pos, stop)
            take(into, value)

    return read


def _block(field: Field) -> ReadBlock:
    if field.shape == "{}":
        return _map(field.name, _converter(field.type))
    if field.shape == "[]":
        return _list(field.name, _converter(field.type))
    if field.type in CONVERTERS or field.type in UNIONS:
        return _single(field.name, _converter(field.type), keep=field.shape == "*" or field.type in _ALWAYS_SHOWN)
    nested = message(field.type)
    return _inlined(nested) if field.name == INLINE else _nested(field.name, nested, keep=field.shape == "*")


def _single(name: str, convert: Convert, *, keep: bool) -> ReadBlock:
    def read(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        _put(into, name, convert(data, pos, stop, depth), keep=keep)

    def read_text(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        if pos < stop:
            into[name] = str(data[pos:stop], "utf-8", "replace")
        elif name in into:
            del into[name]

    return read_text if convert is text and not keep else read


def _nested(name: str, nested: Message, *, keep: bool) -> ReadBlock:
    def read(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        if pos == stop and not keep:
            return
        inner: Object = into.get(name) or {}
        nested.read(inner, data, pos, stop, depth + 1)
        if inner or keep:
            into[name] = inner

    return read


def _inlined(nested: Message) -> ReadBlock:
    def read(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        nested.read(into, data, pos, stop, depth + 1)

    return read


def _list(name: str, convert: Convert) -> ReadBlock:
    def read(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        value = convert(data, pos, stop, depth)
        found = into.get(name)
        if found is None:
            into[name] = [value]
        else:
            found.append(value)

    return read


def _map(name: str, convert: Convert) -> ReadBlock:
    """A map is a list of entries, messages of a key (1) and a value (2); what an entry does not say is zero."""

    def read(into: Object, data: bytes, pos: int, stop: int, depth: int) -> None:
        key, value_at, value_to = "", stop, stop
        while pos < stop:
            tag, pos = varint(data, pos, stop)
            if tag == 1 << 3 | BLOCK:
                start, pos = block(data, pos, stop)
                key = str(data[start:pos], "utf-8", "replace")
            elif tag == 2 << 3 | BLOCK:
                value_at, value_to = block(data, pos, stop)
                pos = value_to
            elif tag >> 3 in (1, 2):
                raise wrong_wire_type(tag & 7, name)
            else:
                pos = skip(data, pos, stop, tag)
        into.setdefault(name, {})[key] = convert(data, value_at, value_to, depth)

    return read


def _converter(kind: str) -> Convert:
    """For elements of lists and values of maps, and for messages that become no object."""
    if kind in CONVERTERS:
        return CONVERTERS[kind]
    nested, finish = message(kind), UNIONS.get(kind)

    def convert(data: bytes, pos: int, stop: int, depth: int) -> Any:
        found: Object = {}
        nested.read(found, data, pos, stop, depth + 1)
        return found if finish is None else finish(found)

    return convert
