"""JSON objects to protobuf, byte for byte as upstream's generated code writes them.

Fields that upstream holds by value are written also when they are zero; those behind pointers when they are there. Source: the
`generated.pb.go` files of k8s.io/api and apimachinery; envelope and watch frames: apimachinery/pkg/runtime/serializer.
"""

import struct
from base64 import b64decode
from datetime import datetime
from functools import cache
from typing import Any

from pilothouse.model.json import Object, dumps
from pilothouse.model.protobuf.envelope import PREFIX
from pilothouse.model.protobuf.scalars import UNIONS
from pilothouse.model.protobuf.table import INLINE, META, Field, definition_of, fields
from pilothouse.model.protobuf.wire import BLOCK, ProtobufError

_ZEROS: dict[str, Any] = {"string": "", "bytes": "", "int32": 0, "int64": 0, "bool": False, "double": 0.0}
_NOT_SHOWN_WHEN_ABSENT = ("quantity", "intOrString")
_LIST = "List"
_FIXED64 = 1
_fields = cache(fields)


def encoded(value: Object) -> bytes:
    """An object or a list of a built-in kind in its envelope. Raises ProtobufError for a kind that has no message."""
    api_version, kind = value.get("apiVersion", ""), value.get("kind", "")
    return in_envelope(api_version, kind, _of_kind(api_version, kind, value))


def in_envelope(api_version: str, kind: str, content: bytes) -> bytes:
    stated = block(1, api_version.encode()) + block(2, kind.encode())
    return PREFIX + block(1, stated) + block(2, content) + block(3, b"") + block(4, b"")


def watch_event(type: str, value: Object) -> bytes:
    """One event of a watch, with its length in front of it."""
    event = block(1, type.encode()) + block(2, block(1, encoded(value)))
    return struct.pack(">I", len(event)) + event


def _of_kind(api_version: str, kind: str, value: Object) -> bytes:
    definition = f"{META}.Status" if (api_version, kind) == ("v1", "Status") else definition_of(api_version, kind)
    if definition is not None:
        return message(definition, value)
    item = definition_of(api_version, kind.removesuffix(_LIST)) if kind.endswith(_LIST) else None
    if item is None:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{api_version}"')
    head = block(1, message(f"{META}.ListMeta", value.get("metadata") or {}))
    return head + b"".join(block(2, message(item, each)) for each in value.get("items") or ())


def message(definition: str, value: Object) -> bytes:
    """Without an envelope. Raises KeyError for a message that the table does not know."""
    return b"".join(_field(field, value) for field in _fields(definition))


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes) -> bytes:
    return varint(field << 3 | BLOCK) + varint(len(content)) + content


def _field(field: Field, value: Object) -> bytes:
    if field.name == INLINE:
        return block(field.number, message(field.type, value))
    found = value.get(field.name)
    if field.shape == "[]":
        return b"".join(_single(field, each) for each in found or ())
    if field.shape == "{}":
        kept = Field(2, "", "", field.type)
        return b"".join(block(field.number, block(1, key.encode()) + _single(kept, each)) for key, each in (found or {}).items())
    if found is None and (field.shape == "*" or field.type in _NOT_SHOWN_WHEN_ABSENT):
        return b""
    return _single(field, _ZEROS.get(field.type) if found is None else found)


def _single(field: Field, value: Any) -> bytes:
    match field.type:
        case "int32" | "int64" | "bool":
            return number(field.number, value)
        case "double":
            return varint(field.number << 3 | _FIXED64) + struct.pack("<d", value)
    return block(field.number, _content(field.type, value))


def _content(kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return str(value).encode()
        case "bytes":
            return b64decode(value)
        case "quantity":
            return block(1, str(value).encode())
        case "raw":
            return b"" if value is None else block(1, dumps(value))
        case "intOrString":
            is_text = isinstance(value, str)
            return number(1, int(is_text)) + number(2, 0 if is_text else value or 0) + block(3, value.encode() if is_text else b"")
        case "time" | "microTime":
            return b"" if value is None else _time(value)
    return message(kind, _union(kind, value) if kind in UNIONS else value or {})


def _time(value: str) -> bytes:
    moment = datetime.fromisoformat(value)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return number(1, seconds) + number(2, moment.microsecond * 1000)


def _union(kind: str, value: Any) -> Object:
    """The message behind a value that in JSON is something else than an object."""
    name = kind.rpartition(".")[2]
    if name == "ExtraValue":
        return {"items": value}
    if isinstance(value, bool):
        return {"allows": value}
    if isinstance(value, list):
        return {"schemas" if name == "JSONSchemaPropsOrArray" else "names": value}
    return {"schema": value} | ({"allows": True} if name == "JSONSchemaPropsOrBool" else {})
