"""Query strings as upstream reads them: what cannot be decoded is dropped, the first value of a name counts.

Source: Go's url.ParseQuery (a pair with `;` or a broken escape is skipped) and apimachinery's conversion of url.Values
(`watch=anything` and a bare `watch` are true, only "false" and "0" are not).
"""

import re
from urllib.parse import unquote_plus

from pilothouse.model.errors import BadRequest, Cause, Invalid, echo

Query = dict[str, list[str]]

_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_DURATION = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

_INT64_DIGITS = 40  # with sign and some leading zeros
_LONGEST = 64  # characters of a duration that is read at all

EMPTY: Query = {}


def parse(raw: str) -> Query:
    """The pairs of a raw query string; shared and empty for the empty one."""
    if not raw:
        return EMPTY
    found: Query = {}
    for pair in raw.split("&"):
        if not pair or ";" in pair or ("%" in pair and _BROKEN_ESCAPE.search(pair)):
            continue
        name, _, value = pair.partition("=")
        found.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return found


def first(query: Query, name: str, default: str = "") -> str:
    values = query.get(name)
    return values[0] if values else default


def boolean(query: Query, name: str) -> bool:
    values = query.get(name)
    return values is not None and bool(values) and values[0].lower() not in ("false", "0")


def integer(query: Query, name: str) -> int | None:
    """An int64, None when absent or empty; raises BadRequest with the words of Go's strconv."""
    value = first(query, name)
    if not value:
        return None
    if not _INTEGER.match(value):
        raise BadRequest(f'strconv.ParseInt: parsing "{echo(value)}": invalid syntax')
    # WHY by length first: int() refuses more than 4,300 digits with an error of its own.
    number = int(value) if len(value) <= _INT64_DIGITS else 2**63
    if not -(2**63) <= number < 2**63:
        raise BadRequest(f'strconv.ParseInt: parsing "{echo(value)}": value out of range')
    return number


def is_decimal(text: str) -> bool:
    """Only ASCII digits: Python's isdigit() takes superscripts and other scripts' digits, too."""
    return text.isascii() and text.isdigit()


def is_number(text: str) -> bool:
    """Whether the text is a uint64."""
    return is_decimal(text) and (len(text) < 20 or (len(text) <= _INT64_DIGITS and int(text) < 2**64))


def timeout_s(query: Query) -> float | None:
    """`timeout` of a write, a Go duration; raises BadRequest."""
    value = first(query, "timeout")
    if not value:
        return None
    parts = _DURATION.findall(value) if len(value) <= _LONGEST else []
    if value not in ("0", "-0", "+0") and (not parts or "".join(parts) != value):
        raise BadRequest(f'invalid timeout specified in the request URL - time: invalid duration "{echo(value)}"')
    return sum(float(re.sub(r"[a-z]", "", part)) * _SECONDS[re.sub(r"[^a-z]", "", part)] for part in parts)


DRY_RUN_VALUES = ("All",)
FIELD_VALIDATION_VALUES = ("", "Ignore", "Strict", "Warn")


def dry_run(query: Query, options: str) -> bool:
    """Whether `dryRun=All` is asked for; any other value is 422 on the named options kind."""
    values = query.get("dryRun")
    return dry_run_values(values, options) if values is not None else False


def dry_run_values(values: list[str], options: str) -> bool:
    if not values:
        return False
    wrong = [value for value in values if value not in DRY_RUN_VALUES]
    if wrong:
        shown = "[" + ",".join(f'"{value}"' for value in values) + "]"
        raise invalid_options(options, [Cause("dryRun", "FieldValueNotSupported", f'Unsupported value: {shown}: supported values: "All"')])
    return True


def field_validation(query: Query, options: str) -> str:
    """Strict, Warn or Ignore; Warn unless said otherwise."""
    value = first(query, "fieldValidation")
    if value not in FIELD_VALIDATION_VALUES:
        supported = ", ".join(f'"{one}"' for one in FIELD_VALIDATION_VALUES)
        message = f'Unsupported value: "{value}": supported values: {supported}'
        raise invalid_options(options, [Cause("fieldValidation", "FieldValueNotSupported", message)])
    return value or "Warn"


def field_manager(query: Query, options: str) -> str:
    """The name given for field ownership: at most 128 printable characters."""
    value = first(query, "fieldManager")
    causes = []
    if len(value) > 128:
        causes.append(Cause("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"))
    for position, character in enumerate(value):
        if not character.isprintable():
            code = f"U+{ord(character):04X}"
            message = f'Invalid value: "{value}": should not contain non-printable character {code} at position {position}'
            causes.append(Cause("fieldManager", "FieldValueInvalid", message))
            break
    if causes:
        raise invalid_options(options, causes)
    return value


def invalid_options(kind: str, causes: list[Cause]) -> Invalid:
    return Invalid.of(kind, "", causes, group="meta.k8s.io")
