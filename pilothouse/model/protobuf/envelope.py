"""The envelope around a protobuf body: four bytes that no JSON starts with, then a message that states the kind and carries the object.

Source: apimachinery/pkg/runtime/serializer/protobuf; the envelope is `runtime.Unknown`.
"""

from collections.abc import Callable

from pilothouse.model.json import Object
from pilothouse.model.protobuf import table
from pilothouse.model.protobuf.message import message
from pilothouse.model.protobuf.wire import BLOCK, ProtobufError, block, skip, varint, wrong_wire_type

PREFIX = b"k8s\x00"
LIMIT_BYTES = 3 * 1024 * 1024

_TYPE, _RAW, _ENCODING = 1, 2, 3
_NAMES = {_TYPE: "typeMeta", _RAW: "raw", _ENCODING: "contentEncoding"}


def decode(data: bytes, definition_of: Callable[[str, str], str | None] = table.definition_of) -> tuple[str, str, Object]:
    """(apiVersion, kind, the object as JSON carries it) of a body; fields that the table does not know are passed over.

    definition_of: gives the name of the schema definition of an apiVersion and a kind as the body states them ("" where it does not),
    or None; by default that of the built-in kind. The object states its apiVersion and kind as far as the body does.
    Raises ProtobufError.
    """
    if not data.startswith(PREFIX):
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    if len(data) > LIMIT_BYTES:
        raise ProtobufError(f"the message is larger than {LIMIT_BYTES} bytes")
    parts = _blocks(data, len(PREFIX), len(data), _NAMES)
    if parts.get(_ENCODING, (0, 0)) != (0, 0) and data[slice(*parts[_ENCODING])]:
        raise ProtobufError("the message has a content encoding, which is not supported")
    api_version, kind = _stated_type(data, *parts.get(_TYPE, (0, 0)))
    definition = definition_of(api_version, kind)
    if definition is None or not table.is_known(definition):
        raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}"')
    found = {name: value for name, value in (("kind", kind), ("apiVersion", api_version)) if value}
    message(definition).read(found, data, *parts.get(_RAW, (0, 0)), 1)
    return api_version, kind, found


def _stated_type(data: bytes, pos: int, end: int) -> tuple[str, str]:
    parts = _blocks(data, pos, end, {1: "apiVersion", 2: "kind"})
    api_version, kind = (str(data[slice(*parts.get(number, (0, 0)))], "utf-8", "replace") for number in (1, 2))
    return api_version, kind


def _blocks(data: bytes, pos: int, end: int, names: dict[int, str]) -> dict[int, tuple[int, int]]:
    """Start and end of the named fields of a message, by number; raises ProtobufError."""
    found = {}
    while pos < end:
        key, pos = varint(data, pos, end)
        number = key >> 3
        if number not in names:
            pos = skip(data, pos, end, key)
        elif key & 7 != BLOCK:
            raise wrong_wire_type(key & 7, names[number])
        else:
            found[number] = block(data, pos, end)
            pos = found[number][1]
    return found
