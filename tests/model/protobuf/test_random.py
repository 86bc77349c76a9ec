"""Objects and bytes that nobody thought of."""

from contextlib import suppress
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model import protobuf
from pilothouse.model.protobuf import PREFIX, ProtobufError
from pilothouse.model.protobuf.scalars import UNIONS
from pilothouse.model.protobuf.table import INLINE, Field, definition_of, fields
from tests.model.protobuf.encode import block, envelope

KINDS = [
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "Node"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ("networking.k8s.io/v1", "Ingress"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
    ("authorization.k8s.io/v1", "SubjectAccessReview"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
]
DEEPEST = 6
NON_ZERO: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["a", "größer", "x" * 200]),
    "bytes": st.sampled_from(["AAE=", "//8="]),
    "bool": st.just(True),
    "int32": st.integers(-(1 << 31), (1 << 31) - 1).filter(bool),
    "int64": st.integers(-(1 << 63), (1 << 63) - 1).filter(bool),
    "double": st.floats(allow_nan=False, allow_infinity=False).filter(bool),
    "time": st.sampled_from(["1969-12-31T23:59:59Z", "2026-01-02T03:04:05Z"]),
    "microTime": st.sampled_from(["2026-01-02T03:04:05.000001Z", "1960-01-01T00:00:00.999999Z"]),
    "quantity": st.sampled_from(["0", "500m", "1Gi"]),
    "intOrString": st.integers(0, 9) | st.sampled_from(["", "http", "25%"]),
    "raw": st.sampled_from([{}, {"a": [1, None]}, "x", 0, False]),
}
ZERO: dict[str, Any] = {"string": "", "bytes": "", "bool": False, "int32": 0, "int64": 0, "double": 0}


@cache
def objects(definition: str, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Objects as the decoder makes them: without zeros held by value."""
    own = [field for field in fields(definition) if depth < DEEPEST or field.type in NON_ZERO]
    inner = [field for field in own if field.name == INLINE]

    @st.composite
    def draw_object(draw: st.DrawFn) -> dict[str, Any]:
        plain = [field for field in own if field.name != INLINE]
        chosen = draw(st.lists(st.sampled_from(plain), max_size=4, unique=True)) if plain else []
        found: dict[str, Any] = {}
        for field in inner:
            found |= draw(objects(field.type, depth + 1))
        for field in chosen:
            value = draw(values(field, depth))
            if value != {} or field.shape == "*" or field.type in ("raw", "intOrString"):
                found[field.name] = value
        return found

    return draw_object()


def values(field: Field, depth: int) -> st.SearchStrategy[Any]:
    one = NON_ZERO[field.type] if field.type in NON_ZERO else message_values(field.type, depth)
    anything = one | st.just(ZERO[field.type]) if field.type in ZERO else one
    if field.shape == "[]":
        return st.lists(anything, min_size=1, max_size=3)
    if field.shape == "{}":
        return st.dictionaries(st.sampled_from(["", "a", "b/c"]), anything, min_size=1, max_size=3)
    return anything if field.shape == "*" else one


def message_values(definition: str, depth: int) -> st.SearchStrategy[Any]:
    if definition not in UNIONS:
        return objects(definition, depth + 1)
    if definition.endswith("ExtraValue"):
        return st.lists(st.sampled_from(["", "a"]), max_size=2)
    schemas = objects(definition[: definition.rindex(".")] + ".JSONSchemaProps", depth + 1)
    if definition.endswith("OrBool"):
        return st.booleans() | schemas
    return schemas | st.lists(schemas if definition.endswith("OrArray") else st.sampled_from(["", "a"]), min_size=1, max_size=2)


@given(st.data(), st.sampled_from(KINDS))
def test_random_objects_come_back_as_they_went(data: st.DataObject, kind: tuple[str, str]) -> None:
    value = {"apiVersion": kind[0], "kind": kind[1]} | data.draw(objects(str(definition_of(*kind)), 0))
    assert protobuf.decode(envelope(value))[2] == value


def survives(data: bytes) -> None:
    with suppress(ProtobufError):
        assert isinstance(protobuf.decode(data)[2], dict)


@given(st.binary(max_size=60))
def test_random_bytes_are_refused_or_read(data: bytes) -> None:
    survives(PREFIX + data)


@given(st.sampled_from(KINDS), st.recursive(st.binary(max_size=8), lambda inner: st.builds(block, st.integers(1, 45), inner)))
def test_random_fields_are_refused_or_read(kind: tuple[str, str], raw: bytes) -> None:
    survives(envelope({"apiVersion": kind[0], "kind": kind[1]}, raw))


@given(st.data(), st.sampled_from(KINDS))
def test_damaged_bodies_are_refused_or_read(data: st.DataObject, kind: tuple[str, str]) -> None:
    value = {"apiVersion": kind[0], "kind": kind[1]} | data.draw(objects(str(definition_of(*kind)), 0))
    body = bytearray(envelope(value))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    survives(bytes(body))
