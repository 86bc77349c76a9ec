"""Single values of the built-in kinds: what upstream's Go types accept, the form they write, and what they say to anything else."""

import base64
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pilothouse.model.json import copy
from pilothouse.model.quantity import QuantityError, canonical

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DAY = r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
"""Month and day; February ends at 28 here, since few years have more."""
_PLAIN = rf"[1-9]\d{{3}}-{_DAY}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_IS_SECONDS = re.compile(_PLAIN + "Z", re.ASCII).fullmatch
_IS_MICROS = re.compile(_PLAIN + r"\.\d{6}Z", re.ASCII).fullmatch
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*").fullmatch
_BASE64_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

SECONDS = "2006-01-02T15:04:05Z07:00"
MICROS = "2006-01-02T15:04:05.000000Z07:00"


class DecodeError(ValueError):
    """The value does not fit upstream's type. message: without the `X in version "v1" cannot be handled as a X: ` in front."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Mismatch(Exception):
    """A value of the wrong JSON type, on its way up to where its path is known."""

    def __init__(self, value: Any, go_type: str) -> None:
        super().__init__()
        self.value = value
        self.go_type = go_type
        self.struct = ""
        self.path: list[str] = []

    def enter(self, struct: str, field: str) -> None:
        if not self.struct:
            self.struct = struct
        self.path.append(field)

    def text(self) -> str:
        found = describe(self.value, self.go_type)
        if not self.path:
            return f"json: cannot unmarshal {found} into Go value of type {self.go_type}"
        place = ".".join(reversed(self.path))
        return f"json: cannot unmarshal {found} into Go struct field {self.struct}.{place} of type {self.go_type}"


def describe(value: Any, go_type: str) -> str:
    """The JSON type as Go's decoder calls it; a number that does not fit a numeric type is shown itself."""
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    if not go_type.startswith(("int", "float")):
        return "number"
    whole = isinstance(value, float) and abs(value) >= 2**53 and value.is_integer()
    return f"number {int(value) if whole else value!r}"


def string(value: Any, seen: list[str]) -> Any:
    if type(value) is not str:
        raise Mismatch(value, "string")
    return value


def boolean(value: Any, seen: list[str]) -> Any:
    if type(value) is not bool:
        raise Mismatch(value, "bool")
    return value


def int32(value: Any, seen: list[str]) -> Any:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise Mismatch(value, "int32")
    return value


def int64(value: Any, seen: list[str]) -> Any:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise Mismatch(value, "int64")
    return value


def double(value: Any, seen: list[str]) -> Any:
    if type(value) is not float and type(value) is not int:
        raise Mismatch(value, "float64")
    return value


def int_or_string(value: Any, seen: list[str]) -> Any:
    return value if type(value) is str else int32(value, seen)


def quantity(value: Any, seen: list[str]) -> Any:
    try:
        return canonical(value if type(value) is str else _number_text(value))
    except QuantityError as error:
        raise DecodeError(str(error)) from None


def _number_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return str(int(value))
    return repr(value)


def byte(value: Any, seen: list[str]) -> Any:
    if type(value) is not str:
        raise Mismatch(value, "[]uint8")
    return value if _BASE64(value) else base64.b64encode(decode_base64(value)).decode()


def decode_base64(text: str) -> bytes:
    """Standard base64 with line breaks allowed; raises DecodeError with the offset that Go gives."""
    plain = text.replace("\r", "").replace("\n", "")
    body = plain.rstrip("=")
    padding = len(plain) - len(body)
    if padding <= 2 and len(plain) % 4 == 0 and _BASE64_ALPHABET.issuperset(body):
        return base64.b64decode(plain)
    raise DecodeError(f"illegal base64 data at input byte {_bad_offset(text)}")


def _bad_offset(text: str) -> int:
    """Where Go's decoder gives up: it reads quanta of four."""
    offset, filled = 0, 0
    for offset, mark in enumerate(text):
        if mark in "\r\n":
            continue
        if mark in _BASE64_ALPHABET:
            filled = (filled + 1) % 4
            continue
        if mark != "=" or filled < 2:
            return offset
        rest = text[offset + 1 :].lstrip("\r\n")
        if filled == 3:
            return len(text) - len(rest)
        if not rest:
            return len(text)
        return len(text) - len(rest) + (1 if rest[0] == "=" else 0)
    return len(text) - filled


def time(value: Any, seen: list[str]) -> Any:
    """A `Time`: RFC 3339, written in UTC and whole seconds."""
    if type(value) is not str:
        raise Mismatch(value, "string")
    return value if _IS_SECONDS(value) else f"{_parse_time(value, SECONDS).isoformat(timespec='seconds')}Z"


def micro_time(value: Any, seen: list[str]) -> Any:
    """A `MicroTime`: six digits, neither fewer nor more."""
    if type(value) is not str:
        raise Mismatch(value, "string")
    return value if _IS_MICROS(value) else f"{_parse_time(value, MICROS).isoformat(timespec='microseconds')}Z"


def _parse_time(text: str, layout: str) -> datetime:
    """In UTC, without saying so."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise DecodeError(_time_error(text, layout))
    fraction = match[7] or ""
    if layout == MICROS and len(fraction) != 7:
        rest = text[19:]
        raise DecodeError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as ".000000"')
    try:
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        whole = datetime(year, month, day, hour, minute, second, int(fraction[1:7].ljust(6, "0") or 0))
        return whole - _offset(match[8])
    except (ValueError, OverflowError):
        raise DecodeError(f'parsing time "{text}": {_range_error(match)} out of range') from None


def _offset(zone: str) -> timedelta:
    return datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").utcoffset() or timedelta()


def _range_error(match: re.Match[str]) -> str:
    limits = ((2, "month", 12), (4, "hour", 23), (5, "minute", 59), (6, "second", 59))
    return next((name for group, name, limit in limits if int(match[group]) > limit or (name == "month" and match[group] == "00")), "day")


_PARTS = (
    (r"\d{4}", "2006"),
    ("-", "-"),
    (r"\d\d", "01"),
    ("-", "-"),
    (r"\d\d", "02"),
    ("T", "T"),
    (r"\d\d", "15"),
    (":", ":"),
    (r"\d\d", "04"),
    (":", ":"),
    (r"\d\d", "05"),
    (r"(?:\.\d+)?", ""),
    (r"Z|[+-]\d\d:\d\d", "Z07:00"),
)


def _time_error(text: str, layout: str) -> str:
    """Go's parser names the rest of the text and the part of the layout that it could not find there."""
    rest = text
    for pattern, part in _PARTS:
        match = re.match(pattern, rest, re.ASCII)
        if match is None:
            return f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as "{part}"'
        rest = rest[match.end() :]
    return f'parsing time "{text}": extra text: "{rest}"'


def anything(value: Any, seen: list[str]) -> Any:
    """Any JSON, copied."""
    return copy(value)


CONVERTERS: dict[str, Callable[[Any, list[str]], Any]] = {
    "string": string,
    "boolean": boolean,
    "integer": int64,
    "number": double,
    "any": anything,
    "int32": int32,
    "int64": int64,
    "double": double,
    "int-or-string": int_or_string,
    "quantity": quantity,
    "byte": byte,
    "date-time": time,
    "micro-time": micro_time,
}
