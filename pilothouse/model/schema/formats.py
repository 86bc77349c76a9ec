"""String formats that custom resources' schemas may ask for. An unknown format asks for nothing.

Source: kube-openapi/pkg/validation/strfmt, whose notion of a host name is its own (a last label of one letter is refused).
"""

import re
from collections.abc import Callable
from datetime import date

from pilothouse.model import names
from pilothouse.model.schema.scalars import DecodeError, decode_base64

_LETTER = r"[^\W_]"
_HOSTNAME = re.compile(
    rf"{_LETTER}(-?{_LETTER}{{0,62}})?|({_LETTER}(({_LETTER}|-){{0,61}}{_LETTER})?\.)+[^\W\d_]{{2,63}}",
)
_DURATION = re.compile(
    r"[+-]?((?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)\s*+(ns|us|µs|ms|s|m|h|d|w|nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?|weeks?)\s*)+|0"
)
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:\S+|/\S*)", re.ASCII)
_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?%s[0-9a-f]{3}-?%s[0-9a-f]{3}-?[0-9a-f]{12}"


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.IGNORECASE | re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


def _is_address(version: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        found = names.parse_ip(text)
        return found is not None and found.version == version

    return check


def _is_cidr(text: str) -> bool:
    return names.parse_cidr(text) is not None


def _is_byte(text: str) -> bool:
    try:
        decode_base64(text)
    except DecodeError:
        return False
    return bool(text)


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    return match is not None and _is_date(match[1]) and int(match[2]) < 24 and int(match[3]) < 60 and int(match[4]) < 60


def _is_hostname(text: str) -> bool:
    return len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None and all(len(part) <= 63 for part in text.split("."))


def _is_isbn10(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    if not re.fullmatch("[0-9]{9}[0-9X]", digits):
        return False
    return sum((10 - place) * (10 if mark == "X" else int(mark)) for place, mark in enumerate(digits)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = re.sub("[ -]", "", text)
    return re.fullmatch("[0-9]{13}", digits) is not None and sum(int(m) * (3 if i % 2 else 1) for i, m in enumerate(digits)) % 10 == 0


def _is_card(text: str) -> bool:
    digits = re.sub("[^0-9]+", "", text)
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [int(mark) * (2 if place % 2 else 1) for place, mark in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches("[0-9a-f]{24}"),
    "byte": _is_byte,
    "cidr": _is_cidr,
    "creditcard": _is_card,
    "date": _is_date,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "duration": lambda text: _DURATION.fullmatch(text.strip()) is not None,
    "email": _matches(r"[^@\s<>]+@[^@\s<>]+"),
    "hexcolor": _matches("#?([0-9a-f]{3}|[0-9a-f]{6})"),
    "hostname": _is_hostname,
    "ipv4": _is_address(4),
    "ipv6": _is_address(6),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "k8s-long-name": lambda text: not names.dns1123_subdomain(text),
    "k8s-short-name": lambda text: not names.dns1123_label(text),
    "mac": _matches("([0-9a-f]{2}[:-]){5}[0-9a-f]{2}|([0-9a-f]{4}[.]){2}[0-9a-f]{4}|([0-9a-f]{2}[:-]){7}[0-9a-f]{2}"),
    "rgbcolor": _matches(r"rgb\(\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*,\s*([0-9]{1,3})\s*\)"),
    "ssn": _matches(r"[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}"),
    "uri": lambda text: _URI.fullmatch(text) is not None,
    "uuid": _matches(_UUID % ("[0-9a-f]", "[0-9a-f]")),
    "uuid3": _matches(_UUID % ("3", "[0-9a-f]")),
    "uuid4": _matches(_UUID % ("4", "[89ab]")),
    "uuid5": _matches(_UUID % ("5", "[89ab]")),
}
