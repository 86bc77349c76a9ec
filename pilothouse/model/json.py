"""JSON in and out, copied and compared, in one place so that the library behind it can be changed."""

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


def dumps_to_keep(value: Any) -> bytes:
    """The same for bytes that are kept: orjson leaves the buffer it wrote into as large as it was, often several times too large."""
    return bytes(memoryview(orjson.dumps(value)))


def fingerprint(value: Any) -> bytes:
    """Bytes that two values share exactly when they are the same JSON, whatever the order of their keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def raw(data: bytes) -> orjson.Fragment:
    """Already encoded JSON to be spliced into a larger value by `dumps`."""
    return orjson.Fragment(data)


def copy(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if type(value) is dict:
        return {key: copy(each) for key, each in value.items()}
    return [copy(each) for each in value] if type(value) is list else value


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: unlike Python's, 1 is neither true nor 1.0."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
