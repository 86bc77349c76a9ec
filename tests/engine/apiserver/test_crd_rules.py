"""Validation rules of custom resources, as clients meet them: at the definition, at creation and at each update."""

from typing import Any

import pytest

from pilothouse.model.cel.validation import Rules
from pilothouse.model.schema.crd import build
from tests.cpu import takes_under
from tests.engine.apiserver.api import Api
from tests.engine.apiserver.test_crds import CRDS, THINGS, definition, thing

INTEGER, TEXT = {"type": "integer"}, {"type": "string"}
FIELD, NOWHERE = "FieldValueInvalid", "<nil>"


def rule(text: str, **more: Any) -> dict[str, Any]:
    return {"rule": text, **more}


def spec_of(properties: dict[str, Any], *rules: dict[str, Any], **root: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": list(rules)}
    schema = {"type": "object", "properties": {"spec": spec, "status": {"type": "object", "properties": {"n": INTEGER}}}, **root}
    return definition(schema={"openAPIV3Schema": schema}, subresources={"status": {}})


async def complaints(api: Api, spec: Any, method: str = "POST", path: str = THINGS) -> list[tuple[str, str]]:
    body = thing("t", spec=spec) if method == "POST" else {"spec": spec}
    content = {"content_type": "application/merge-patch+json"} if method == "PATCH" else {}
    error = await api.refused(method, path, body, **content)
    assert error.code == 422
    return [(cause["field"], cause["message"]) for cause in (error.details or {})["causes"]]


@pytest.mark.parametrize(
    ("properties", "rules", "good", "bad", "expected"),
    [
        (
            {"a": INTEGER, "b": INTEGER},
            [rule("self.a < self.b", message="a must be below b")],
            {"a": 1, "b": 2},
            {"a": 2, "b": 1},
            [("spec", "Invalid value: a must be below b")],
        ),
        (
            {"a": INTEGER, "b": INTEGER},
            [rule("self.a < self.b", message="a must be below b")],
            {"a": 1, "b": 2},
            {"a": 1},
            [("spec", 'Invalid value: "object": no such key: b evaluating rule: a must be below b')],
        ),
        ({"a": INTEGER}, [rule("self.a > 3")], {"a": 4}, {"a": 1}, [("spec", "Invalid value: failed rule: self.a > 3")]),
        (
            {"s": TEXT},
            [rule("self.s == 'x'", messageExpression="'got ' + self.s")],
            {"s": "x"},
            {"s": "y"},
            [("spec", "Invalid value: got y")],
        ),
        (
            {"a": INTEGER},
            [rule("self.a > 1", message="one"), rule("self.a > 2", message="two")],
            {"a": 3},
            {"a": 0},
            [("spec", "Invalid value: one"), ("spec", "Invalid value: two")],
        ),
        (
            {"a": INTEGER},
            [rule("self.a > 1", message="low", reason="FieldValueForbidden", fieldPath=".a")],
            {"a": 2},
            {"a": 0},
            [("spec.a", "Forbidden: low")],
        ),
        (
            {"a": {"type": "integer", "minimum": 5}},
            [rule("self.a > 10")],
            {"a": 11},
            {"a": 3},
            [
                ("spec.a", "Invalid value: 3: spec.a in body should be greater than or equal to 5"),
                ("spec", "Invalid value: failed rule: self.a > 10"),
            ],
        ),
        (
            {"a": INTEGER},
            [rule("self.a > 10")],
            {"a": 11},
            {"a": "x"},
            [
                ("spec.a", 'Invalid value: "string": spec.a in body must be of type integer: "string"'),
                (
                    NOWHERE,
                    "Invalid value: null: some validation rules were not checked because the object was invalid; "
                    "correct the existing errors to complete validation",
                ),
            ],
        ),
    ],
)
async def test_rules_judge_new_objects(api: Api, properties: Any, rules: Any, good: Any, bad: Any, expected: Any) -> None:
    await api.post(CRDS, spec_of(properties, *rules))
    assert await complaints(api, bad) == expected
    await api.post(THINGS, thing("t", spec=good))


async def test_rules_below_are_told_with_their_path_and_value(api: Api) -> None:
    positive = {"type": "integer", "x-kubernetes-validations": [rule("self > 0", message="positive")]}
    items = {"type": "object", "properties": {"v": positive}}
    properties = {"l": {"type": "array", "items": items}, "m": {"type": "object", "additionalProperties": positive}}
    await api.post(CRDS, spec_of(properties))
    assert await complaints(api, {"l": [{"v": 1}, {"v": 0}], "m": {"a.b": -1}}) == [
        ("spec.l[1].v", "Invalid value: 0: positive"),
        ("spec.m[a.b]", "Invalid value: -1: positive"),
    ]


async def test_a_rule_at_the_root_sees_type_and_name(api: Api) -> None:
    root = [rule("self.metadata.name.startsWith('t')", message="t first"), rule("self.kind == 'Thing' && self.spec.a < 9")]
    await api.post(CRDS, spec_of({"a": INTEGER}, **{"x-kubernetes-validations": root}))
    await api.post(THINGS, thing("t", spec={"a": 1}))
    error = await api.refused("POST", THINGS, thing("other", spec={"a": 1}))
    assert (error.details or {})["causes"] == [{"reason": FIELD, "message": "Invalid value: t first", "field": NOWHERE}]


async def test_a_transition_rule_judges_updates_only(api: Api) -> None:
    mode = {"type": "string", "x-kubernetes-validations": [rule("self == oldSelf", message="mode is immutable")]}
    await api.post(CRDS, spec_of({"mode": mode, "a": INTEGER}))
    await api.post(THINGS, thing("t", spec={"mode": "x"}))
    assert await complaints(api, {"mode": "y"}, "PATCH", f"{THINGS}/t") == [("spec.mode", 'Invalid value: "y": mode is immutable')]
    await api.patch(f"{THINGS}/t", {"spec": {"a": 5}})


async def test_a_transition_rule_sees_that_a_field_was_removed(api: Api) -> None:
    await api.post(CRDS, spec_of({"a": TEXT}, rule("!has(oldSelf.a) || has(self.a)", message="a may not be removed")))
    await api.post(THINGS, thing("t", spec={}))
    await api.patch(f"{THINGS}/t", {"spec": {"a": "x"}})
    assert await complaints(api, {"a": None}, "PATCH", f"{THINGS}/t") == [("spec", "Invalid value: a may not be removed")]


async def test_with_an_optional_old_value_creation_is_judged_too(api: Api) -> None:
    await api.post(CRDS, spec_of({"a": INTEGER}, rule("oldSelf.hasValue() || self.a == 0", message="begin at 0", optionalOldSelf=True)))
    assert await complaints(api, {"a": 1}) == [("spec", "Invalid value: begin at 0")]
    await api.post(THINGS, thing("t", spec={"a": 0}))
    await api.patch(f"{THINGS}/t", {"spec": {"a": 1}})


def list_of_things(list_type: str, text: str) -> dict[str, Any]:
    keys = {"x-kubernetes-list-map-keys": ["k"]} if list_type == "map" else {}
    item: dict[str, Any] = {"type": "object", "required": ["k"], "properties": {"k": TEXT, "v": INTEGER}, "x-kubernetes-map-type": "atomic"}
    item["x-kubernetes-validations"] = [rule(text, message="v only grows")]
    return {"l": {"type": "array", "maxItems": 10, "items": item, "x-kubernetes-list-type": list_type, **keys}}


async def test_a_list_with_keys_tells_what_an_item_was(api: Api) -> None:
    await api.post(CRDS, spec_of(list_of_things("map", "self.v >= oldSelf.v")))
    await api.post(THINGS, thing("t", spec={"l": [{"k": "a", "v": 5}, {"k": "b", "v": 1}]}))
    swapped = {"l": [{"k": "b", "v": 2}, {"k": "a", "v": 4}]}
    assert await complaints(api, swapped, "PATCH", f"{THINGS}/t") == [("spec.l[1]", "Invalid value: v only grows")]


@pytest.mark.parametrize("list_type", ["atomic", "set"])
async def test_where_no_item_can_be_told_from_another_a_rule_may_not_ask_what_it_was(api: Api, list_type: str) -> None:
    error = await api.refused("POST", CRDS, spec_of(list_of_things(list_type, "self.v >= oldSelf.v")))
    cause = (error.details or {})["causes"][0]
    path = "spec.validation.openAPIV3Schema.properties[spec].properties[l]"
    assert cause["field"] == f"{path}.items.x-kubernetes-validations[0].rule"
    assert cause["message"].endswith(f"oldSelf cannot be used on the uncorrelatable portion of the schema within {path}")


async def test_what_has_not_changed_is_not_held_against_a_new_rule(api: Api) -> None:
    made = await api.post(CRDS, spec_of({"a": INTEGER, "b": INTEGER}))
    await api.post(THINGS, thing("t", spec={"a": 1, "b": 1}))
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"] = [rule("self.a > 5")]
    current = await api.get(f"{CRDS}/things.example.com")
    await api.put(f"{CRDS}/things.example.com", made | {"metadata": current["metadata"]})
    await api.patch(f"{THINGS}/t", {"metadata": {"labels": {"x": "y"}}})
    await api.patch(f"{THINGS}/t/status", {"status": {"n": 1}})
    assert await complaints(api, {"b": 2}, "PATCH", f"{THINGS}/t") == [("spec", "Invalid value: failed rule: self.a > 5")]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("self.nope >", "compilation failed: ERROR: <input>:1:12: Syntax error"),
        ("self.nope == 1", "undefined field 'nope'"),
        ("self.a.frobnicate()", "undeclared reference to 'frobnicate'"),
        ("self.a", "cel expression must evaluate to a bool"),
    ],
)
async def test_a_rule_that_does_not_compile_is_refused_with_its_definition(api: Api, text: str, why: str) -> None:
    error = await api.refused("POST", CRDS, spec_of({"a": INTEGER}, rule(text)))
    causes = (error.details or {})["causes"]
    assert [cause["field"] for cause in causes] == ["spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule"]
    assert why in causes[0]["message"]


async def test_a_definition_with_very_many_rules_is_refused_at_once(api: Api) -> None:
    with takes_under(2):
        error = await api.refused("POST", CRDS, spec_of({"a": INTEGER}, *(rule(f"self.a != {n}") for n in range(10_000))))
        assert error.code == 422


DEAR = rule("self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))", message="all sums")
WAY_OUT = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"


async def test_a_rule_that_may_cost_too_much_is_refused_with_its_definition(api: Api) -> None:
    error = await api.refused("POST", CRDS, spec_of({"l": {"type": "array", "maxItems": 300, "items": INTEGER}}, DEAR))
    root = "spec.validation.openAPIV3Schema"
    where = f"{root}.properties[spec].x-kubernetes-validations[0].rule"
    assert [(cause["field"], cause["message"]) for cause in (error.details or {})["causes"]] == [
        (where, f"Forbidden: estimated rule cost exceeds budget by factor of 24.4x {WAY_OUT}"),
        (where, "Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"),
        (
            root,
            "Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of "
            f"2.4x {WAY_OUT}",
        ),
    ]


async def test_with_a_bound_on_the_list_the_rule_is_taken(api: Api) -> None:
    await api.post(CRDS, spec_of({"l": {"type": "array", "maxItems": 50, "items": INTEGER}}, DEAR))
    assert await complaints(api, {"l": [-1] * 3}) == [("spec", "Invalid value: all sums")]


async def test_what_a_rule_costs_counts_once_for_each_item_it_is_about(api: Api) -> None:
    text = {"type": "string", "maxLength": 1_000, "x-kubernetes-validations": [rule("self.matches('^a+$')")]}
    await api.post(CRDS, spec_of({"l": {"type": "array", "maxItems": 100, "items": text}}), dryRun="All")
    error = await api.refused("POST", CRDS, spec_of({"l": {"type": "array", "maxItems": 100_000, "items": text}}))
    assert "estimated rule cost exceeds budget by factor of 4.0x" in error.message


def test_a_rule_that_costs_too_much_after_all_is_said_so() -> None:
    schema = {"type": "object", "properties": {"l": {"type": "array", "items": INTEGER}}, "x-kubernetes-validations": [DEAR, rule("false")]}
    found = Rules(build(schema)).check({"l": list(range(500))}, None)
    assert len(found) == 1
    assert "no further validation rules will be run due to call cost exceeds limit for rule: all sums" in found[0].message
