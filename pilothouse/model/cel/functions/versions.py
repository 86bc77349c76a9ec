"""Semantic versions. Source: apiserver/pkg/cel/library/semverlib.go; semver.org 2.0.0, whose build part counts for nothing."""

import re
from typing import Any

from pilothouse.model.cel.functions.declare import T, function, method
from pilothouse.model.cel.messages import SEMVER, make, type_of

_SEMVER = type_of(SEMVER)
_NUMBER = r"(0|[1-9][0-9]*+)"
_PART = r"(?:0|[1-9][0-9]*+|[0-9]*+[A-Za-z-][0-9A-Za-z-]*+)"
_VERSION = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PART}(?:\.{_PART})*+))?(?:\+[0-9A-Za-z-]++(?:\.[0-9A-Za-z-]++)*+)?", re.ASCII
)
_LONGEST = 256
_UINT64 = 2**64
_Key = tuple[int, int, int, tuple[Any, ...]]


def _key(text: str) -> _Key:
    """What versions are ordered by; raises ValueError."""
    found = _VERSION.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or any(int(found[number]) >= _UINT64 for number in (1, 2, 3)):
        raise ValueError(f"Invalid semantic version {text[:_LONGEST]!r}")
    # A release comes after its own pre-releases, a number before a name, and a shorter list before a longer one.
    before = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in found[4].split(".")) if found[4] else ((2, 0, ""),)
    return int(found[1]), int(found[2]), int(found[3]), before


def _normal(text: str) -> str:
    """Without a leading v and leading zeros, with three numbers."""
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and any(mark in parts[-1] for mark in "+-"):
        raise ValueError("Short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, *["0"] * (3 - len(parts))])


def _without_zeros(part: str) -> str:
    rest = part.lstrip("0")
    if len(part) <= 1 or rest == part:
        return part
    return rest if rest[:1].isdigit() else f"0{rest}"


def _version(text: str, normalize: bool = False) -> Any:
    text = _normal(text) if normalize else text
    _key(text)
    return make(SEMVER, text=text)


def _is_version(text: str, normalize: bool = False) -> bool:
    try:
        _version(text, normalize)
    except ValueError:
        return False
    return True


def _compare(one: Any, other: Any) -> int:
    first, second = _key(one.text), _key(other.text)
    return (first > second) - (first < second)


_PAIR = (_SEMVER, _SEMVER)

VERSIONS = (
    function("semver", (_SEMVER, (T.STRING,), _version), (_SEMVER, (T.STRING, T.BOOL), _version)),
    function("isSemver", (T.BOOL, (T.STRING,), _is_version), (T.BOOL, (T.STRING, T.BOOL), _is_version)),
    method("major", (T.INT, (_SEMVER,), lambda value: _key(value.text)[0])),
    method("minor", (T.INT, (_SEMVER,), lambda value: _key(value.text)[1])),
    method("patch", (T.INT, (_SEMVER,), lambda value: _key(value.text)[2])),
    method("isGreaterThan", (T.BOOL, _PAIR, lambda one, other: _compare(one, other) > 0)),
    method("isLessThan", (T.BOOL, _PAIR, lambda one, other: _compare(one, other) < 0)),
    method("compareTo", (T.INT, _PAIR, _compare)),
)
