"""Request bodies to values, with what strict field validation wants to know: which fields occur more than once.

`loads_strict` costs little more than plain decoding: a body without white space has no duplicates when its value encodes to as many bytes.
"""

import json
from typing import Any

from pilothouse.model.json import JSONError, dumps, loads
from pilothouse.model.syntax import SyntaxProblem, parse
from pilothouse.model.yaml import YAMLProblem, loads_yaml

__all__ = ["SyntaxProblem", "YAMLProblem", "loads_strict", "loads_yaml"]


def loads_strict(data: bytes) -> tuple[Any, list[str]]:
    """The JSON value and the paths of duplicate fields (`metadata.labels.a`). Raises SyntaxProblem with upstream's message."""
    try:
        value = loads(data)
    except JSONError:
        return parse(data)
    if _encodes_to(value, len(data)) or not _has_duplicates(data):
        return value, []
    return value, parse(data)[1]


def _encodes_to(value: Any, size: int) -> bool:
    try:
        return len(dumps(value)) == size
    except TypeError:  # nested deeper than the encoder goes
        return False


class _Twice(Exception):
    """Some object has a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _Twice


def _has_duplicates(data: bytes) -> bool:
    try:
        json.loads(data, object_pairs_hook=_once)
    except (_Twice, RecursionError):
        return True
    return False
