"""The other direction, as upstream's generated code writes it, for round trips: JSON objects to protobuf, by the same table."""

import json
import struct
from base64 import b64decode
from datetime import datetime
from typing import Any

from pilothouse.model.protobuf import PREFIX
from pilothouse.model.protobuf.scalars import UNIONS
from pilothouse.model.protobuf.table import INLINE, Field, definition_of, fields

ZEROS: dict[str, Any] = {"string": "", "bytes": "", "int32": 0, "int64": 0, "bool": False, "double": 0.0}
_SHOWN_WHEN_ZERO = ("quantity", "intOrString")


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
    return varint(field << 3 | 2) + varint(len(content)) + content


def envelope(value: dict[str, Any], raw: bytes | None = None) -> bytes:
    api_version, kind = value.get("apiVersion", ""), value.get("kind", "")
    content = raw if raw is not None else message(str(definition_of(api_version, kind)), value)
    stated = block(1, api_version.encode()) + block(2, kind.encode())
    return PREFIX + block(1, stated) + block(2, content) + block(3, b"") + block(4, b"")


def message(definition: str, value: Any) -> bytes:
    return b"".join(_field(field, value) for field in fields(definition))


def _field(field: Field, value: dict[str, Any]) -> bytes:
    if field.name == INLINE:
        return block(field.number, message(field.type, value))
    found = value.get(field.name)
    if field.shape == "[]":
        return b"".join(_single(field, each) for each in found or ())
    if field.shape == "{}":
        kept = Field(2, "", "", field.type)
        return b"".join(block(field.number, block(1, key.encode()) + _single(kept, each)) for key, each in (found or {}).items())
    if found is None and (field.shape == "*" or field.type in _SHOWN_WHEN_ZERO):
        return b""
    return _single(field, ZEROS.get(field.type) if found is None else found)


def _single(field: Field, value: Any) -> bytes:
    match field.type:
        case "int32" | "int64" | "bool":
            return number(field.number, value)
        case "double":
            return varint(field.number << 3 | 1) + struct.pack("<d", value)
    return block(field.number, _content(field.type, value))


def _content(kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return str(value).encode()
        case "bytes":
            return b64decode(value)
        case "quantity":
            return block(1, value.encode())
        case "raw":
            return b"" if value is None else block(1, json.dumps(value).encode())
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


def _union(kind: str, value: Any) -> dict[str, Any]:
    name = kind.rpartition(".")[2]
    if name == "ExtraValue":
        return {"items": value}
    if isinstance(value, bool):
        return {"allows": value}
    if isinstance(value, list):
        return {"schemas" if name == "JSONSchemaPropsOrArray" else "names": value}
    return {"schema": value} | ({"allows": True} if name == "JSONSchemaPropsOrBool" else {})
