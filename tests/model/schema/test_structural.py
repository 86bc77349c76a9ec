from typing import Any

import pytest
from hypothesis import given

from pilothouse.model.errors import RequestTooLarge
from pilothouse.model.json import copy, same
from pilothouse.model.schema import Catalog, DecodeError, Schema, from_crd
from pilothouse.model.schema.crd import build
from pilothouse.model.schema.structural import default
from tests.model.json_values import OBJECTS

STRING = {"type": "string"}


def schema_of(**properties: Any) -> Schema:
    return from_crd({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})


def test_unspecified_fields_are_pruned_and_named() -> None:
    schema = schema_of(
        a={"type": "object", "properties": {"k": STRING}},
        l={"type": "array", "items": {"type": "object", "properties": {"k": STRING}}},
        m={"type": "object", "additionalProperties": {"type": "object", "properties": {"k": STRING}}},
        p={
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {"q": {"type": "object", "properties": {"r": STRING}}},
        },
    )
    value = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "t", "anything": 1},
        "spec": {
            "zz": 1,
            "a": {"y": 2, "k": "v"},
            "l": [{"w": 3, "k": "v"}],
            "m": {"x": {"w": 1, "k": "v"}},
            "p": {"any": {"thing": 1}, "q": {"r": "x", "gone": 1}},
        },
        "top": 1,
    }
    assert schema.prune(value) == ["spec.a.y", "spec.l[0].w", "spec.m.x.w", "spec.p.q.gone", "spec.zz", "top"]
    assert value == {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "t", "anything": 1},
        "spec": {"a": {"k": "v"}, "l": [{"k": "v"}], "m": {"x": {"k": "v"}}, "p": {"any": {"thing": 1}, "q": {"r": "x"}}},
    }


def test_a_definition_may_keep_everything() -> None:
    value = {"top": {"y": [1, {"z": None}]}}
    assert from_crd({"type": "object", "x-kubernetes-preserve-unknown-fields": True}).prune(value) == []
    assert from_crd(None).prune(value) == []
    assert value == {"top": {"y": [1, {"z": None}]}}


def test_embedded_resources_keep_their_type_and_metadata() -> None:
    schema = schema_of(a={"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}})
    value = {"spec": {"a": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"gone": 1}, "status": {}}}}
    assert schema.prune(value) == ["spec.a.spec.gone", "spec.a.status"]
    assert [cause.field for cause in schema.validate({"spec": {"a": {}}})] == ["spec.a.apiVersion", "spec.a.kind"]


def test_the_metadata_of_an_embedded_resource_must_be_metadata(catalog: Catalog) -> None:
    schema = schema_of(a={"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True})
    with pytest.raises(DecodeError) as caught:
        schema.check_embedded({"spec": {"a": {"metadata": {"labels": {"a": 1}}}}}, catalog.object_meta())
    assert caught.value.message == (
        'spec.a.metadata: Invalid value: {"labels":{"a":1}}: '
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
    )


def test_whole_floats_are_stored_as_integers() -> None:
    value = {"spec": {"a": [5.0, {"b": 1e20}], "c": 0.5, "d": 1e30, "e": True}}
    from_crd(None).prune(value)
    assert same(value, {"spec": {"a": [5, {"b": 10**20}], "c": 0.5, "d": 1e30, "e": True}})


DEFAULTED = schema_of(
    s={"type": "string", "default": "d"},
    b={"type": "boolean", "default": False},
    x={"type": "string", "nullable": True, "default": "nul"},
    o={"type": "object", "properties": {"k": {"type": "string", "default": "inner"}}},
    od={"type": "object", "default": {}, "properties": {"k": {"type": "string", "default": "inner"}}},
    l={"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string", "default": "inner"}}}},
    m={"type": "object", "additionalProperties": {"type": "object", "properties": {"k": {"type": "string", "default": "inner"}}}},
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"s": "d", "b": False, "x": "nul", "od": {"k": "inner"}}),
        ({"s": None, "x": None, "o": None}, {"s": "d", "b": False, "x": None, "od": {"k": "inner"}}),
        ({"s": "", "o": {}}, {"s": "", "b": False, "x": "nul", "o": {"k": "inner"}, "od": {"k": "inner"}}),
        (
            {"l": [{}, {"k": "v"}], "m": {"a": {}}},
            {"s": "d", "b": False, "x": "nul", "od": {"k": "inner"}, "l": [{"k": "inner"}, {"k": "v"}], "m": {"a": {"k": "inner"}}},
        ),
    ],
)
def test_defaults_fill_what_is_absent_or_must_not_be_null(given: Any, expected: Any) -> None:
    value = {"spec": copy(given)}
    DEFAULTED.default(value)
    assert value["spec"] == expected


def test_a_default_is_not_shared_between_objects() -> None:
    one: Any = {"spec": {}}
    two: Any = {"spec": {}}
    DEFAULTED.default(one)
    one["spec"]["od"]["k"] = "changed"
    DEFAULTED.default(two)
    assert two["spec"]["od"] == {"k": "inner"}


def test_a_custom_resource_without_spec_gets_none() -> None:
    value: Any = {}
    DEFAULTED.default(value)
    assert value == {}


@given(OBJECTS)
def test_pruning_and_defaulting_settle_at_once(value: Any) -> None:
    schema = schema_of(a={"type": "object", "properties": {"b": {"default": 1}}}, b={"type": "array", "items": {"type": "string"}})
    document = {"spec": value}
    schema.prune(document)
    schema.default(document)
    settled = copy(document)
    assert schema.prune(document) == []
    schema.default(document)
    assert same(document, settled)


def test_defaults_make_no_object_that_could_not_be_stored() -> None:
    item = {"type": "object", "properties": {"d": {"type": "string", "default": "y" * 1000}}}
    node = build({"type": "array", "items": item})
    few: list[dict[str, Any]] = [{} for _ in range(1000)]
    default(node, few)
    assert len(few[999]["d"]) == 1000
    with pytest.raises(RequestTooLarge, match="with the defaults of its schema the object would be larger than 1572864 bytes"):
        default(node, [{} for _ in range(2000)])
