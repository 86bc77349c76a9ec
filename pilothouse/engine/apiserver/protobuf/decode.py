"""Protobuf to the JSON value that means the same.

A body is four magic bytes and a runtime.Unknown: the type's name and the message itself. Zero values that Go writes for fields that
were never set are kept here; decoding by the schema, which every body goes through afterwards, drops them as it does for JSON.
Source: https://protobuf.dev/programming-guides/encoding; apimachinery/pkg/runtime/serializer/protobuf.
"""

import base64
import struct
from collections.abc import Iterator
from typing import Any

from pilothouse.engine.apiserver.protobuf.fields import Field, is_scalar, messages
from pilothouse.model import meta
from pilothouse.model.json import JSONError, Object, loads
from pilothouse.model.schema import Catalog

MAGIC = b"k8s\x00"
_MACHINERY = "io.k8s.apimachinery.pkg."
_DEPTH = 64


class BadMessage(ValueError):
    """Not a message of the kind it says it is; the message is for the client."""


def to_json(body: bytes, schemas: Catalog) -> Object:
    """The object in a request body, with apiVersion and kind; raises BadMessage."""
    if not body.startswith(MAGIC):
        raise BadMessage("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    version, kind, raw = "", "", b""
    for number, value in _fields(body[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            texts = {inner: text for inner, text in _fields(value) if isinstance(text, bytes)}
            version, kind = (texts.get(inner, b"").decode("utf-8", "replace") for inner in (1, 2))
        elif number == 2 and isinstance(value, bytes):
            raw = value
    group, _, short = version.rpartition("/")
    definition = schemas.definition_of(group, short, kind) or _everywhere(kind)
    if definition is None or definition not in messages():
        raise BadMessage(f'no kind "{kind}" is registered for version "{version}"')
    return {"apiVersion": version, "kind": kind, **_message(definition, raw, 0)}


def _everywhere(kind: str) -> str | None:
    """Options are known in every group."""
    return f"{_MACHINERY}apis.meta.v1.{kind}" if kind.endswith("Options") else None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) in the order of the wire; fixed-size values as bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise BadMessage(f"proto: illegal wireType {wire}")
        if position + size > len(data):
            raise BadMessage("unexpected EOF")
        yield number, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise BadMessage("unexpected EOF" if position >= len(data) else "proto: integer overflow")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _message(name: str, data: bytes, depth: int) -> Object:
    if depth > _DEPTH:
        raise BadMessage("proto: message is nested too deeply")
    known, found = messages()[name], dict[str, Any]()
    for number, value in _fields(data):
        field = known.get(number)
        if field is None:
            # Passing over it would lose what the client has said.
            raise BadMessage(f"field {number} of {name.rpartition('.')[2]} is not known to this server; send JSON instead")
        if field.inline:
            found |= _message(field.type, _as_bytes(value), depth + 1)
        elif field.mapped:
            key, inner = _entry(field, _as_bytes(value), depth)
            found.setdefault(field.name, {})[key] = inner
        elif field.repeated:
            found.setdefault(field.name, []).append(_value(field.type, value, depth))
        else:
            found[field.name] = _value(field.type, value, depth)
    return found


def _entry(field: Field, data: bytes, depth: int) -> tuple[str, Any]:
    parts = dict(_fields(data))
    missing: int | bytes = b"" if field.type != "bool" else 0
    return _as_bytes(parts.get(1, b"")).decode("utf-8", "replace"), _value(field.type, parts.get(2, missing), depth)


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise BadMessage("proto: wrong wireType")
    return value


def _value(type: str, value: int | bytes, depth: int) -> Any:
    if is_scalar(type):
        return _scalar(type, value)
    special = _SPECIAL.get(type.rpartition(".")[2]) if type not in messages() or type.startswith(_MACHINERY) else None
    data = _as_bytes(value)
    if special is not None:
        return special(data)
    if type.endswith(".ExtraValue"):
        return [_as_bytes(text).decode("utf-8", "replace") for _, text in _fields(data)]
    return _message(type, data, depth + 1)


def _scalar(type: str, value: int | bytes) -> Any:
    if type == "string":
        return _as_bytes(value).decode("utf-8", "replace")
    if type == "bytes":
        return base64.b64encode(_as_bytes(value)).decode()
    if type == "double":
        return struct.unpack("<d", _as_bytes(value))[0]
    if isinstance(value, bytes):
        raise BadMessage("proto: wrong wireType")
    return bool(value) if type == "bool" else _signed(value)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _time(data: bytes) -> str | None:
    parts = {number: value for number, value in _fields(data) if isinstance(value, int)}
    # Go's zero time lies before the epoch; what is not set is no time at all.
    return meta.rfc3339(_signed(parts[1])) if parts.get(1) and _signed(parts[1]) > 0 else None


def _micro_time(data: bytes) -> str | None:
    parts = {number: value for number, value in _fields(data) if isinstance(value, int)}
    seconds = _signed(parts.get(1, 0))
    return meta.rfc3339_micro(seconds + parts.get(2, 0) / 1e9) if seconds > 0 else None


def _quantity(data: bytes) -> str:
    return next((_as_bytes(value).decode() for number, value in _fields(data) if number == 1), "0")


def _int_or_string(data: bytes) -> int | str:
    parts = dict(_fields(data))
    if parts.get(1):
        return _as_bytes(parts.get(3, b"")).decode("utf-8", "replace")
    number = parts.get(2, 0)
    return _signed(number) if isinstance(number, int) else 0


def _raw(data: bytes) -> Any:
    text = next((_as_bytes(value) for number, value in _fields(data) if number == 1), b"null")
    try:
        return loads(text)
    except JSONError as error:
        raise BadMessage(f"raw JSON: {error}") from error


_SPECIAL = {
    "Time": _time,
    "MicroTime": _micro_time,
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "RawExtension": _raw,
    "FieldsV1": _raw,
}
