"""Values that are neither messages nor plain text: how each looks in JSON.

Source: the hand-written (un)marshallers of apimachinery (`Time`, `MicroTime`, `Quantity`, `IntOrString`, `RawExtension`) and the JSON forms
of apiextensions' unions. A time of an empty message is Go's zero time, which JSON does not show.
"""

import struct
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pilothouse.model.json import JSONError, Object, loads
from pilothouse.model.protobuf.wire import BLOCK, VARINT, ProtobufError, block, int32, int64, skip, varint, wrong_wire_type

Convert = Callable[[bytes, int, int, int], Any]
"""Takes the body, where the value starts and ends in it, and the depth of the message; None is a value that JSON does not show."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = 1 << 63
_APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"


def text(data: bytes, pos: int, stop: int, depth: int) -> str:
    return str(data[pos:stop], "utf-8", "replace")


def base64(data: bytes, pos: int, stop: int, depth: int) -> str:
    return b64encode(data[pos:stop]).decode()


def time(data: bytes, pos: int, stop: int, depth: int) -> str | None:
    """RFC 3339 in whole seconds: upstream drops the rest."""
    if pos == stop:
        return None
    return f"{_moment(_parts(data, pos, stop, 'time'), 0):%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0")


def micro_time(data: bytes, pos: int, stop: int, depth: int) -> str | None:
    if pos == stop:
        return None
    parts = _parts(data, pos, stop, "time")
    return f"{_moment(parts, int32(parts.get(2, 0)) // 1000):%Y-%m-%dT%H:%M:%S.%f}Z".rjust(27, "0")


def _moment(parts: Mapping[int, Any], micros: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=int64(parts.get(1, 0)), microseconds=micros)
    except OverflowError:
        raise ProtobufError("Time.MarshalJSON: year outside of range [0,9999]") from None


def quantity(data: bytes, pos: int, stop: int, depth: int) -> str:
    return str(_parts(data, pos, stop, "quantity", blocks=(1,)).get(1, b""), "utf-8", "replace") or "0"


def int_or_string(data: bytes, pos: int, stop: int, depth: int) -> int | str:
    parts = _parts(data, pos, stop, "intOrString", blocks=(3,))
    match parts.get(1, 0):
        case 0:
            return int32(parts.get(2, 0))
        case 1:
            return str(parts.get(3, b""), "utf-8", "replace")
    raise ProtobufError("impossible IntOrString.Type")


def raw(data: bytes, pos: int, stop: int, depth: int) -> Any:
    """A JSON value that travels as bytes."""
    content = _parts(data, pos, stop, "raw", blocks=(1,)).get(1, b"")
    if not content:
        return None
    try:
        return loads(content)
    except JSONError as error:
        raise ProtobufError(f"an embedded value is no JSON: {error.msg}") from error


def _parts(data: bytes, pos: int, stop: int, name: str, blocks: tuple[int, ...] = ()) -> dict[int, Any]:
    """A small message's numbers, and its `blocks` as bytes, by field number."""
    found: dict[int, Any] = {}
    while pos < stop:
        key, pos = varint(data, pos, stop)
        number, wire = key >> 3, key & 7
        if not 0 < number <= 3:
            pos = skip(data, pos, stop, key)
        elif wire != (BLOCK if number in blocks else VARINT):
            raise wrong_wire_type(wire, name)
        elif wire == VARINT:
            found[number], pos = varint(data, pos, stop)
        else:
            start, pos = block(data, pos, stop)
            found[number] = data[start:pos]
    return found


def double(data: bytes, pos: int) -> int | float:
    """The number of the eight bytes at pos; a whole one is written without a point, as Go does."""
    value: float = struct.unpack_from("<d", data, pos)[0]
    if value - value != 0:
        raise ProtobufError(f"json: unsupported value: {value}")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


CONVERTERS: Mapping[str, Convert] = {
    "string": text,
    "bytes": base64,
    "time": time,
    "microTime": micro_time,
    "quantity": quantity,
    "intOrString": int_or_string,
    "raw": raw,
}

NUMBERS: Mapping[str, Callable[[int], int]] = {"int32": int32, "int64": int64, "bool": bool}


def _schema_or_array(found: Object) -> Any:
    return found.get("schemas") or found.get("schema")


def _schema_or_bool(found: Object) -> Any:
    return found.get("schema", found.get("allows", False))


def _schema_or_strings(found: Object) -> Any:
    return found.get("names") or found.get("schema")


def _items(found: Object) -> Any:
    return found.get("items", [])


UNIONS: Mapping[str, Callable[[Object], Any]] = {
    f"{_APIEXTENSIONS}.JSONSchemaPropsOrArray": _schema_or_array,
    f"{_APIEXTENSIONS}.JSONSchemaPropsOrBool": _schema_or_bool,
    f"{_APIEXTENSIONS}.JSONSchemaPropsOrStringArray": _schema_or_strings,
    "io.k8s.api.authentication.v1.ExtraValue": _items,
    "io.k8s.api.authorization.v1.ExtraValue": _items,
    "io.k8s.api.certificates.v1.ExtraValue": _items,
}
"""Messages that in JSON are something else than an object, made of the object they would be."""
