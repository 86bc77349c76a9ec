"""JSON in and out, in one place so that the library behind it can be changed."""

from typing import Any

import orjson

Object = dict[str, Any]
"""An API object as JSON carries it. Immutable by agreement once it is in a cache."""

JSONError = orjson.JSONDecodeError


def loads(data: bytes | str) -> Any:
    """Decode JSON; raises JSONError."""
    return orjson.loads(data)


def dumps(value: Any) -> bytes:
    """Encode compactly, keys in insertion order; bytes already encoded are passed as `raw(...)`."""
    return orjson.dumps(value)


def raw(data: bytes) -> orjson.Fragment:
    """Already encoded JSON to be spliced into a larger value by `dumps`."""
    return orjson.Fragment(data)
