"""Query strings as upstream reads them: what cannot be decoded is dropped, the first value of a name counts.

Source: Go's url.ParseQuery (a pair with `;` or a broken escape is skipped) and apimachinery's conversion of url.Values
(`watch=anything` and a bare `watch` are true, only "false" and "0" are not).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

from pilothouse.model.errors import BadRequest, Cause, Invalid, echo

Query = dict[str, list[str]]

_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_DURATION = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|ms|s|m|h)")
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


_MANAGER_BYTES = 128
_DEFAULT_STRICTNESS = "Warn"
DRY_RUN_VALUES = ("All",)
FIELD_VALIDATION_VALUES = ("", "Ignore", "Strict", "Warn")


class WriteOptions(NamedTuple):
    """strictness: Strict, Warn or Ignore, Warn unless said otherwise. manager: the name given for field ownership."""

    dry_run: bool
    strictness: str
    manager: str


def write_options(query: Query, kind: str) -> WriteOptions:
    """Of a create or an update. Raises Invalid, with all that is wrong with the named kind of options."""
    return _write_options(query, kind, [])


def patch_options(query: Query, *, is_apply: bool) -> WriteOptions:
    """The same of a patch; an apply says who owns what it states, and no other patch may be forced."""
    causes: list[Cause] = []
    if is_apply and not first(query, "fieldManager"):
        causes.append(Cause("fieldManager", "FieldValueRequired", "Required value: is required for apply patch"))
    if not is_apply and "force" in query:
        causes.append(Cause("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch"))
    return _write_options(query, "PatchOptions", causes)


def _write_options(query: Query, kind: str, causes: list[Cause]) -> WriteOptions:
    if not query and not causes:
        return WriteOptions(False, _DEFAULT_STRICTNESS, "")
    manager, dry_run, strictness = first(query, "fieldManager"), query.get("dryRun") or [], first(query, "fieldValidation")
    causes = causes + _wrong_manager(manager) + wrong_dry_run(dry_run) + _wrong_strictness(strictness)
    if causes:
        raise invalid_options(kind, causes)
    return WriteOptions(bool(dry_run), strictness or _DEFAULT_STRICTNESS, manager)


def wrong_dry_run(values: Sequence[object]) -> list[Cause]:
    """values: of a query, or whatever the list in a body holds."""
    if all(value in DRY_RUN_VALUES for value in values):
        return []
    shown = "[" + ",".join(f'"{echo(str(value))}"' for value in values) + "]"
    return [Cause("dryRun", "FieldValueNotSupported", f'Unsupported value: {shown}: supported values: "All"')]


def _wrong_strictness(value: str) -> list[Cause]:
    if value in FIELD_VALIDATION_VALUES:
        return []
    supported = ", ".join(f'"{one}"' for one in FIELD_VALIDATION_VALUES)
    message = f'Unsupported value: "{echo(value)}": supported values: {supported}'
    return [Cause("fieldValidation", "FieldValueNotSupported", message)]


def _wrong_manager(value: str) -> list[Cause]:
    """At most 128 bytes, all of them of characters that can be seen."""
    causes = []
    if len(value.encode()) > _MANAGER_BYTES:
        message = f"Too long: may not be more than {_MANAGER_BYTES} bytes"
        causes.append(Cause("fieldManager", "FieldValueTooLong", message))
    for position, character in enumerate(value):
        if not character.isprintable():
            code = f"U+{ord(character):04X}"
            message = f'Invalid value: "{echo(value)}": should not contain non-printable character {code} at position {position}'
            causes.append(Cause("fieldManager", "FieldValueInvalid", message))
            break
    return causes


def invalid_options(kind: str, causes: list[Cause]) -> Invalid:
    return Invalid.of(kind, "", causes, group="meta.k8s.io")
