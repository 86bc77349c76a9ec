"""CustomResourceDefinitions: names, versions, schemas."""

from typing import Any

import pytest

from pilothouse.engine.apiserver.kinds.crd.definition import CRD
from pilothouse.engine.apiserver.kinds.crd.paths import validate_simple_path
from pilothouse.model.json import Object
from tests.cpu import takes_under
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
    old = changed(created(CRD, definition()), "status.storedVersions", ["v0", "v1"])
    new = updated(CRD, old, changed(old, "status.storedVersions", ["v1"]), "status")
    assert new["status"]["storedVersions"] == ["v1"]
    assert CRD.validate_status_update(new, old) == []


CONVERSION = "spec.conversion"
URL = {"url": "https://example.com/convert"}


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        ({"clientConfig": URL, "conversionReviewVersions": ["v1"]}, []),
        ({"clientConfig": {"service": {"name": "s", "namespace": "n"}}, "conversionReviewVersions": ["v9", "v1beta1"]}, []),
        (None, [f"{CONVERSION}.webhookClientConfig Required", f"{CONVERSION}.conversionReviewVersions Required"]),
        ({"clientConfig": {}, "conversionReviewVersions": ["v1"]}, [f"{CONVERSION}.webhookClientConfig Required"]),
        ({"clientConfig": {"url": "http://a"}, "conversionReviewVersions": ["v1"]}, [f"{CONVERSION}.webhookClientConfig.url Invalid"]),
        (
            {"clientConfig": URL | {"service": {"name": "s", "namespace": "n"}}, "conversionReviewVersions": ["v1"]},
            [f"{CONVERSION}.webhookClientConfig Required"],
        ),
        ({"clientConfig": URL, "conversionReviewVersions": ["v1", "v1"]}, [f"{CONVERSION}.conversionReviewVersions[1] Invalid"]),
        ({"clientConfig": URL, "conversionReviewVersions": ["v9"]}, [f"{CONVERSION}.conversionReviewVersions Invalid"]),
    ],
)
def test_a_conversion_webhook_says_where_it_is_and_what_it_understands(webhook: Object | None, expected: list[str]) -> None:
    conversion = {"strategy": "Webhook"} | ({"webhook": webhook} if webhook is not None else {})
    assert refusals(CRD, definition(conversion=conversion, versions=[version(), version("v2", storage=False)])) == expected


def test_without_the_strategy_there_is_no_webhook() -> None:
    webhook = {"clientConfig": URL, "conversionReviewVersions": ["v1"]}
    forbidden = [f"{CONVERSION}.webhookClientConfig Forbidden", f"{CONVERSION}.conversionReviewVersions Forbidden"]
    assert refusals(CRD, definition(conversion={"strategy": "None", "webhook": webhook})) == forbidden


@pytest.mark.parametrize("path", ["." * 100_000 + "!", ".a" * 50_000 + "!", "[?(" * 30_000])
def test_a_path_that_is_none_is_refused_at_once(path: str) -> None:
    with takes_under(0.5):
        assert validate_simple_path("." + path, "here")


@pytest.mark.parametrize("path", [".spec.replicas", ".a..b", ".a[*].b", ".a['x']", '.a[?(@.type=="Ready")].status', ".a[?(@.b[0]=='x')].c"])
def test_usual_paths_are_paths(path: str) -> None:
    assert validate_simple_path(path, "here") == []


def test_the_root_has_no_additional_properties() -> None:
    made = definition(versions=[version(schema={"type": "object", "additionalProperties": {"type": "string"}})])
    assert refusals(CRD, made) == [f"{ROOT}.additionalProperties Forbidden"]


def nested(**rules: Any) -> Object:
    """A definition whose root schema has value rules beside one property."""
    return definition(versions=[version(schema={"type": "object", "properties": {"a": {"type": "integer"}}, **rules})])


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"anyOf": [{"properties": {"b": {"minimum": 1}}}]}, [f"{ROOT}.properties[b] Required"]),
        ({"anyOf": [{"properties": {"a": {"minimum": 1}}}]}, []),
        ({"not": {"items": {"minimum": 1}}}, [f"{ROOT}.items Required"]),
        (
            {"oneOf": [{"x-kubernetes-list-type": "set"}]},
            [f"{ROOT}.oneOf[0].x-kubernetes-list-type Forbidden", f"{ROOT}.oneOf[0].type Required"],
        ),
        ({"properties": {"metadata": {"type": "object", "description": "x"}}}, [f"{ROOT}.properties[metadata] Forbidden"]),
        ({"properties": {"metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}}}}, []),
        ({"properties": {"kind": {"type": "string", "default": "x"}}}, [f"{ROOT}.properties[kind].default Forbidden"]),
    ],
)
def test_rules_about_values_at_the_root_speak_of_what_is_there(schema: Object, expected: list[str]) -> None:
    assert refusals(CRD, nested(**schema)) == expected


def test_inside_of_an_object_rules_may_speak_of_what_the_schema_does_not_have() -> None:
    assert (
        refusals(CRD, with_a(type="object", properties={"b": {"type": "string"}}, anyOf=[{"required": ["c"], "properties": {"c": {}}}]))
        == []
    )


@pytest.mark.parametrize(("name", "value"), [("nullable", True), ("enum", [{}]), ("anyOf", [{"required": ["a"]}])])
def test_with_a_status_subresource_the_root_says_little_beside_its_fields(name: str, value: Any) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, name: value}
    assert f"{ROOT} Invalid" in refusals(CRD, definition(versions=[version(schema=schema, subresources={"status": {}})]))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "default": "x", "x-kubernetes-validations": [{"rule": "self == 'y'"}]}, [f"{A}.default Invalid"]),
        (
            {"type": "integer", "default": 1, "x-kubernetes-validations": [{"rule": "oldSelf.hasValue()", "optionalOldSelf": True}]},
            [f"{A}.default Invalid"],
        ),
        ({"type": "string", "default": "y", "x-kubernetes-validations": [{"rule": "self == 'y'"}]}, []),
    ],
)
def test_a_default_follows_the_rules_of_its_schema(schema: Object, expected: list[str]) -> None:
    assert refusals(CRD, with_a(**schema)) == expected


def test_a_rule_on_something_else_that_is_wrong_is_not_compiled() -> None:
    wrong = {"type": "object", "properties": {"b": {"type": "frob"}}, "x-kubernetes-validations": [{"rule": "self.b.c.d"}]}
    assert [each for each in refusals(CRD, with_a(**wrong)) if "validations" in each] == []


def test_a_stored_schema_may_go_on_to_cost_what_it_costs() -> None:
    rule = {"rule": "self.all(x, self.all(y, x + y > 0))"}
    dear = {"type": "array", "maxItems": 2_000, "items": {"type": "integer"}, "x-kubernetes-validations": [rule]}
    assert refusals(CRD, with_a(**dear)) == [f"{A}.x-kubernetes-validations[0].rule Forbidden"]
    assert update_refusals(CRD, with_a(**dear), changed(with_a(**dear), "spec.names.shortNames", ["t"])) == []


def test_versions_are_judged_one_by_one_before_what_they_share() -> None:
    bad = {"type": "object", "properties": {"a": {}}}
    scale = {"scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": "n"}}
    versions = [version("V1"), version("v2", schema=bad, storage=False)]
    for each in versions:
        each["subresources"] = scale
    obj = definition(names={"kind": "Th ing", "plural": "things", "singular": "thing", "listKind": "Things"}, versions=versions)
    assert refusals(CRD, obj) == [
        "spec.versions[0].name Invalid",
        "spec.versions[1].schema.openAPIV3Schema.properties[a].type Required",
        "spec.version Invalid",
        "spec.names.kind Invalid",
        "spec.subresources.scale.statusReplicasPath Invalid",
    ]


def test_a_shared_schema_is_held_to_the_status_of_any_version() -> None:
    schema = {"type": "object", "anyOf": [{"required": ["a"]}], "properties": {"a": {"type": "string"}}}
    versions = [version(schema=schema), version("v2", schema=schema, storage=False, subresources={"status": {}})]
    assert refusals(CRD, definition(versions=versions)) == [f"{ROOT} Invalid"]


def test_what_keeps_unknown_fields_has_neither_defaults_nor_conversion() -> None:
    with_default = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}
    made = definition(preserveUnknownFields=True, versions=[version(schema=with_default)])
    assert refusals(CRD, made) == ["spec.preserveUnknownFields Invalid"] * 2
    webhook = {"clientConfig": URL, "conversionReviewVersions": ["v1"]}
    made = definition(preserveUnknownFields=True, conversion={"strategy": "Webhook", "webhook": webhook})
    assert refusals(CRD, made) == ["spec.conversion.strategy Invalid", "spec.preserveUnknownFields Invalid"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "array", "items": {"type": "string"}, "additionalItems": False}, [f"{A}.additionalItems Forbidden"]),
        ({"type": "string", "dependencies": {}}, [f"{A}.dependencies Forbidden"]),
        ({"type": "string", "$schema": "http://json-schema.org/schema#"}, [f"{ROOT} Invalid"]),
        (
            {
                "type": "array",
                "items": {"type": "object", "nullable": True, "properties": {"k": {"type": "object", "nullable": True}}},
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k", "k"],
            },
            [
                f"{A}.items.properties[k].type Invalid",
                f"{A}.items.properties[k].type Invalid",
                f"{A}.x-kubernetes-list-map-keys Invalid",
                f"{A}.items.nullable Forbidden",
                *[f"{A}.items.properties[k].default Required", f"{A}.items.properties[k].nullable Forbidden"] * 2,
            ],
        ),
        (
            {"type": "array", "items": {"type": "object", "nullable": True}, "x-kubernetes-list-type": "set"},
            [f"{A}.items.x-kubernetes-map-type Invalid", f"{A}.items.nullable Forbidden"],
        ),
    ],
)
def test_keywords_that_are_stated_although_empty_and_lists(schema: Object, expected: list[str]) -> None:
    assert refusals(CRD, with_a(**schema)) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "format": "date-time"}, []),
        ({"type": "string", "format": "k8s-short-name"}, []),
        ({"type": "string", "format": "password"}, []),
        ({"type": "integer", "format": "int64"}, []),
        ({"type": "integer", "format": "int16"}, ['unrecognized format "int16"']),
        ({"type": "string", "format": "colour"}, ['unrecognized format "colour"']),
        ({"type": "boolean", "format": "date"}, ['unrecognized format "date"']),
    ],
)
def test_a_format_that_nothing_is_held_to_is_warned_of(schema: Object, expected: list[str]) -> None:
    made = created(CRD, with_a(**schema))
    assert CRD.warnings(made) == expected
    assert CRD.warnings_on_update is not None
    assert CRD.warnings_on_update(made, made) == []
    assert CRD.warnings_on_update(made, created(CRD, definition())) == expected


BROKEN_BUNDLE = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="


def converting(bundle: str) -> Object:
    webhook = {"clientConfig": URL | {"caBundle": bundle}, "conversionReviewVersions": ["v1"]}
    return definition(conversion={"strategy": "Webhook", "webhook": webhook})


@pytest.mark.parametrize("bundle", [BROKEN_BUNDLE, "eA=="])
def test_what_is_served_is_not_given_authorities_that_cannot_be_read(bundle: str) -> None:
    assert refusals(CRD, converting(bundle)) == []
    established = {"conditions": [{"type": "Established", "status": "True"}]}
    old = created(CRD, definition())
    old["status"] |= established
    new = updated(CRD, old, converting(bundle))
    assert brief(CRD.validate_update(new, old))[-1] == "spec.conversion.webhookClientConfig.caBundle Invalid"
    stored = created(CRD, converting(bundle))
    stored["status"] |= established
    assert CRD.validate_update(updated(CRD, stored, changed(stored, "spec.names.shortNames", ["t"])), stored) == []
