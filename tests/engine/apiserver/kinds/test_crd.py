"""CustomResourceDefinitions: names, versions, schemas."""

import time
from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.crd.definition import CRD
from pilothouse.engine.apiserver.kinds.crd.paths import validate_simple_path
from pilothouse.model.json import Object
from tests.engine.apiserver.kinds.objects import brief, changed, cluster_scoped, created, refusals, update_refusals, updated

NAME = "things.example.com"
ROOT = "spec.validation.openAPIV3Schema"
A = f"{ROOT}.properties[a]"


def version(name: str = "v1", schema: Object | None = None, **fields: Any) -> Object:
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or {"type": "object"}}, **fields}


def definition(**spec: Any) -> Object:
    base = {"group": "example.com", "names": {"kind": "Thing", "plural": "things"}, "scope": "Namespaced", "versions": [version()]}
    return cluster_scoped(NAME, spec={**base, **spec})


def with_a(**schema: Any) -> Object:
    """A definition whose schema has one property."""
    return definition(versions=[version(schema={"type": "object", "properties": {"a": schema}})])


def test_names_are_derived_from_the_kind() -> None:
    made = created(CRD, definition())
    assert made["spec"]["names"] == {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"}
    assert made["spec"]["conversion"] == {"strategy": "None"}
    assert made["status"] == {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": ["v1"]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"group": "x"}, ["metadata.name Invalid", "spec.group Invalid"]),
        ({"group": ""}, ["metadata.name Invalid", "spec.group Required"]),
        ({"scope": "Everywhere"}, ["spec.scope NotSupported"]),
        (
            {"names": {"kind": "Th ing", "plural": "things"}},
            ["spec.names.singular Invalid", "spec.names.kind Invalid", "spec.names.listKind Invalid"],
        ),
        ({"names": {"kind": "Thing", "plural": "things", "shortNames": ["T_"]}}, ["spec.names.shortNames[0] Invalid"]),
        ({"names": {"kind": "Thing", "plural": "things", "listKind": "Thing"}}, ["spec.names.listKind Invalid"]),
        ({"versions": []}, ["spec.versions Invalid", "status.storedVersions Invalid"]),
        ({"versions": [version(), version(storage=False)]}, ["spec.versions Invalid"]),
        ({"versions": [version(), version("v2")]}, ["spec.versions Invalid", "status.storedVersions Invalid"]),
        ({"versions": [version("V1")]}, ["spec.versions[0].name Invalid", "spec.version Invalid"]),
        ({"versions": [version() | {"schema": {}}]}, ["spec.versions[0].schema.openAPIV3Schema Required"]),
        ({"versions": [version(deprecationWarning="x")]}, ["spec.versions[0].deprecationWarning Invalid"]),
        ({"preserveUnknownFields": True}, ["spec.preserveUnknownFields Invalid"]),
        ({"conversion": {"strategy": "Magic"}}, ["spec.conversion.strategy NotSupported"]),
        (
            {"versions": [version(subresources={"scale": {}})]},
            ["spec.subresources.scale.specReplicasPath Required", "spec.subresources.scale.statusReplicasPath Required"],
        ),
        (
            {"versions": [version(additionalPrinterColumns=[{"name": "A", "type": "text", "jsonPath": "spec.a"}])]},
            ["spec.additionalPrinterColumns[0].type Invalid", "spec.additionalPrinterColumns[0].JSONPath Invalid"],
        ),
        ({"versions": [version(selectableFields=[{"jsonPath": ".metadata.name"}])]}, ["spec.selectableFields[0].jsonPath Invalid"]),
    ],
)
def test_definitions(spec: Object, expected: list[str]) -> None:
    assert refusals(CRD, definition(**spec)) == expected


def test_a_name_is_plural_and_group() -> None:
    assert refusals(CRD, changed(definition(), "metadata.name", "other.example.com")) == ["metadata.name Invalid"]


def test_groups_of_kubernetes_need_approval() -> None:
    obj = changed(changed(definition(group="x.k8s.io"), "metadata.name", "things.x.k8s.io"), "metadata.annotations", {})
    path = "metadata.annotations[api-approved.kubernetes.io]"
    assert refusals(CRD, obj) == [f"{path} Required"]
    for approval, expected in (("unapproved, an experiment", []), ("https://example.com/1", []), ("yes", [f"{path} Invalid"])):
        obj["metadata"]["annotations"]["api-approved.kubernetes.io"] = approval
        assert refusals(CRD, obj) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, []),
        ({}, [f"{A}.type Required"]),
        ({"type": "text"}, [f"{A}.type NotSupported"]),
        ({"type": "array"}, [f"{A}.items Required"]),
        ({"$ref": "#/x"}, [f"{A}.$ref Forbidden"]),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, [f"{A}.uniqueItems Forbidden"]),
        (
            {"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}},
            [f"{A}.additionalProperties Forbidden"],
        ),
        ({"type": "string", "pattern": "("}, [f"{A}.pattern Invalid"]),
        ({"type": "string", "default": 5}, [f"{A}.default TypeInvalid"]),
        ({"type": "integer", "minimum": 5, "default": 1}, [f"{A}.default Invalid"]),
        ({"type": "object", "properties": {}, "default": {"b": 1}}, [f"{A}.default Invalid"]),
        ({"type": "string", "not": {"default": "x"}}, [f"{A}.not.default Forbidden"]),
        ({"type": "string", "anyOf": [{"type": "string"}]}, [f"{A}.anyOf[0].type Forbidden"]),
        ({"x-kubernetes-int-or-string": True}, []),
        ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, []),
        ({"x-kubernetes-int-or-string": True, "type": "string"}, []),
        ({"x-kubernetes-int-or-string": True, "type": "integer"}, []),
        ({"x-kubernetes-int-or-string": True, "type": "array", "items": {"type": "string"}}, []),
        ({"x-kubernetes-int-or-string": True, "additionalProperties": {"type": "string"}}, []),
        ({"x-kubernetes-int-or-string": True, "type": "string", "anyOf": [{"type": "integer"}, {"type": "string"}]}, []),
        ({"x-kubernetes-preserve-unknown-fields": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, []),
        ({"type": "string", "anyOf": [{"type": "integer"}, {"type": "string"}]}, []),
        (
            {"type": "string", "anyOf": [{"type": "integer"}, {"type": "number"}]},
            [f"{A}.anyOf[0].type Forbidden", f"{A}.anyOf[1].type Forbidden"],
        ),
        ({"type": "string", "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^a"}]}, []),
        ({"type": "string", "not": {"x-kubernetes-validations": [{"rule": "true"}]}}, [f"{A}.not.x-kubernetes-validations Forbidden"]),
        (
            {"x-kubernetes-int-or-string": True, "x-kubernetes-preserve-unknown-fields": True},
            [f"{A}.x-kubernetes-preserve-unknown-fields Invalid"],
        ),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"}, [f"{A}.x-kubernetes-list-type NotSupported"]),
        (
            {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}, "x-kubernetes-list-type": "map"},
            [f"{A}.x-kubernetes-list-map-keys Required"],
        ),
        (
            {
                "type": "array",
                "items": {"type": "object", "properties": {"k": {"type": "string"}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
            },
            [f"{A}.items.properties[k].default Required"],
        ),
        (
            {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "set"},
            [f"{A}.items.x-kubernetes-map-type Invalid"],
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1", "message": "a\nb"}]},
            [f"{A}.x-kubernetes-validations[0].message Invalid"],
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "true", "reason": "Because"}]},
            [f"{A}.x-kubernetes-validations[0].reason NotSupported"],
        ),
        (
            {"type": "object", "x-kubernetes-validations": [{"rule": "true", "fieldPath": ".zz"}]},
            [f"{A}.x-kubernetes-validations[0].fieldPath Invalid"],
        ),
        (
            {"type": "integer", "x-kubernetes-validations": [{"rule": "true", "optionalOldSelf": True}]},
            [f"{A}.x-kubernetes-validations[0].optionalOldSelf Invalid"],
        ),
    ],
)
def test_schemas_are_structural(schema: Object, expected: list[str]) -> None:
    assert refusals(CRD, with_a(**schema)) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"properties": {}}, [f"{ROOT}.type Required"]),
        ({"type": "array", "items": {"type": "string"}}, [f"{ROOT}.type Invalid"]),
        ({"type": "object", "nullable": True}, [f"{ROOT}.nullable Forbidden"]),
        (
            {"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}},
            [f"{ROOT}.properties[metadata] Forbidden"],
        ),
    ],
)
def test_roots_are_objects(schema: Object, expected: list[str]) -> None:
    assert refusals(CRD, definition(versions=[version(schema=schema)])) == expected


def test_differing_versions_are_reported_one_by_one() -> None:
    bad = {"type": "object", "properties": {"a": {}}}
    obj = definition(versions=[version(), version("v2", schema=bad, storage=False)])
    assert refusals(CRD, obj) == ["spec.versions[1].schema.openAPIV3Schema.properties[a].type Required"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("spec.group", "other.example.com", ["spec.group Invalid"]),
        ("spec.names", {"kind": "Thing", "plural": "others"}, ["spec.names.plural Invalid"]),
        ("spec.scope", "Cluster", []),
    ],
)
def test_what_names_a_resource_is_for_life(path: str, value: object, expected: list[str]) -> None:
    assert update_refusals(CRD, definition(), changed(definition(), path, value)) == expected


def test_the_scope_is_for_life_once_it_is_established() -> None:
    old = changed(created(CRD, definition()), "status.conditions", [{"type": "Established", "status": "True"}])
    new = updated(CRD, old, changed(old, "spec.scope", "Cluster"))
    assert brief(CRD.validate_update(new, old)) == ["spec.scope Invalid"]


def test_a_version_that_was_stored_stays() -> None:
    old = created(CRD, definition(versions=[version(), version("v2", storage=False)]))
    moved = updated(CRD, old, changed(old, "spec.versions", [version(storage=False), version("v2")]))
    assert moved["status"]["storedVersions"] == ["v1", "v2"]
    without = updated(CRD, moved, changed(moved, "spec.versions", [version("v2")]))
    assert brief(CRD.validate_update(without, moved)) == ["status.storedVersions[0] Invalid"]


def test_a_migration_may_take_stored_versions_off_the_list() -> None:
    old = created(CRD, definition())
    new = updated(CRD, old, changed(old, "status.storedVersions", []), "status")
    assert new["status"]["storedVersions"] == []
    assert CRD.validate_status_update(new, old) == []


def test_a_conversion_webhook_is_refused_where_it_would_have_to_be_called() -> None:
    webhook = {"clientConfig": {"url": "https://example.com"}, "conversionReviewVersions": ["v1"]}
    conversion = {"strategy": "Webhook", "webhook": webhook}
    assert refusals(CRD, definition(conversion=conversion)) == []
    two = definition(conversion=conversion, versions=[version(), version("v2", storage=False)])
    assert refusals(CRD, two) == ["spec.conversion.strategy Forbidden"]


@pytest.mark.parametrize("path", ["." * 100_000 + "!", ".a" * 50_000 + "!", "[?(" * 30_000])
def test_a_path_that_is_none_is_refused_at_once(path: str) -> None:
    started = time.process_time()
    assert validate_simple_path("." + path, "here")
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("path", [".spec.replicas", ".a..b", ".a[*].b", ".a['x']", '.a[?(@.type=="Ready")].status', ".a[?(@.b[0]=='x')].c"])
def test_usual_paths_are_paths(path: str) -> None:
    assert validate_simple_path(path, "here") == []


def test_the_root_has_no_additional_properties() -> None:
    made = definition(versions=[version(schema={"type": "object", "additionalProperties": {"type": "string"}})])
    assert refusals(CRD, made) == [f"{ROOT}.additionalProperties Forbidden"]
