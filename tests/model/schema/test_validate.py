from typing import Any

import pytest
from hypothesis import given

from pilothouse.model.errors import MOST_CAUSES, Cause
from pilothouse.model.schema import from_crd
from pilothouse.model.schema.breadth import breadth
from pilothouse.model.schema.crd import build
from pilothouse.model.schema.formats import FORMATS as KNOWN_FORMATS
from pilothouse.model.schema.validate import validate
from tests.cpu import takes_under
from tests.model.json_values import OBJECTS, VALUES

INVALID, TYPE = "FieldValueInvalid", "FieldValueTypeInvalid"


def causes(schema: Any, value: Any) -> list[tuple[str, str, str]]:
    found: list[Cause] = from_crd({"type": "object", "properties": {"a": schema}}).validate({"a": value})
    return [(cause.field, cause.reason, cause.message) for cause in found]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "x"),
        ({"type": "integer"}, 5),
        ({"type": "integer"}, 5.0),
        ({"type": "number"}, 5),
        ({"type": "number"}, 1e30),
        ({"type": "boolean"}, True),
        ({"type": "string", "nullable": True}, None),
        ({"x-kubernetes-int-or-string": True}, 1),
        ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, "x"),
        ({"type": "integer", "minimum": 2, "maximum": 5, "exclusiveMaximum": True}, 4),
        ({"type": "string", "minLength": 3, "maxLength": 3}, "\U0001f600äö"),
        ({"type": "string", "pattern": "^a+$"}, "aa"),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": "integer", "enum": [1]}, 1.0),
        ({"type": "number", "multipleOf": 0.1}, 0.3),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2, "uniqueItems": True}, [1, 2]),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}, {"x": 1}),
        ({"type": "object", "additionalProperties": True}, {"x": [1, "a"]}),
        ({"type": "integer", "not": {"enum": [5]}}, 4),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}, ["a", "b"]),
        ({"type": "string", "format": "unheard-of"}, "x"),
        ({"x-kubernetes-preserve-unknown-fields": True}, [None]),
    ],
)
def test_what_the_schema_allows_has_no_causes(schema: Any, value: Any) -> None:
    assert causes(schema, value) == []


BAD = [
    ({"type": "string"}, 5, [("a", TYPE, 'Invalid value: "integer": a in body must be of type string: "integer"')]),
    ({"type": "string"}, None, [("a", TYPE, 'Invalid value: "null": a in body must be of type string: "null"')]),
    (
        {"type": "integer"},
        5.5,
        [
            ("a", TYPE, 'Invalid value: "number": a in body must be of type integer: "number"'),
            ("<nil>", INVALID, 'Invalid value: "": Checked value must be of type integer (default format) in a'),
        ],
    ),
    (
        {"type": "integer", "format": "int32"},
        2**31,
        [("<nil>", INVALID, 'Invalid value: "": Checked value must be of type integer with format int32 in a')],
    ),
    (
        {"x-kubernetes-int-or-string": True},
        1.5,
        [("a", TYPE, 'Invalid value: "number": a in body must be of type integer,string: "number"')],
    ),
    ({"type": "integer", "minimum": 2}, 1, [("a", INVALID, "Invalid value: 1: a in body should be greater than or equal to 2")]),
    (
        {"type": "integer", "maximum": 5, "exclusiveMaximum": True},
        5,
        [("a", INVALID, "Invalid value: 5: a in body should be less than 5")],
    ),
    ({"type": "integer", "multipleOf": 2}, 3, [("a", INVALID, "Invalid value: 3: a in body should be a multiple of 2")]),
    ({"type": "string", "minLength": 2}, "a", [("a", INVALID, 'Invalid value: "a": a in body should be at least 2 chars long')]),
    ({"type": "string", "maxLength": 3}, "abcd", [("a", "FieldValueTooLong", "Too long: may not be more than 3 bytes")]),
    ({"type": "string", "pattern": "^a+$"}, "a\n", [("a", INVALID, "Invalid value: \"a\\n\": a in body should match '^a+$'")]),
    ({"type": "string", "enum": ["a", "b"]}, "", [("a", "FieldValueNotSupported", 'Unsupported value: "": supported values: "a", "b"')]),
    ({"type": "integer", "enum": [1, 2]}, 3, [("a", "FieldValueNotSupported", 'Unsupported value: 3: supported values: "1", "2"')]),
    ({"type": "string", "format": "ipv4"}, "::1", [("a", TYPE, 'Invalid value: "::1": a in body must be of type ipv4: "::1"')]),
    ({"type": "array", "maxItems": 1}, [1, 2], [("a", "FieldValueTooMany", "Too many: 2: must have at most 1 items")]),
    ({"type": "array", "minItems": 1}, [], [("a", INVALID, "Invalid value: []: a in body should have at least 1 items")]),
    ({"type": "array", "uniqueItems": True}, [1, 1], [("a", INVALID, "Invalid value: [1,1]: a in body shouldn't contain duplicates")]),
    ({"type": "object", "minProperties": 1}, {}, [("a", INVALID, "Invalid value: {}: a in body should have at least 1 properties")]),
    ({"type": "object", "required": ["x"]}, {}, [("a.x", "FieldValueRequired", "Required value")]),
    (
        {"type": "object", "properties": {"l": {"type": "array", "items": {"type": "object"}}}},
        {"l": [None]},
        [("a.l[0]", TYPE, 'Invalid value: "null": a.l[0] in body must be of type object: "null"')],
    ),
    (
        {"type": "integer", "allOf": [{"minimum": 3}, {"maximum": 5}]},
        1,
        [
            ("a", INVALID, "Invalid value: 1: a in body should be greater than or equal to 3"),
            ("<nil>", INVALID, 'Invalid value: "": "a" must validate all the schemas (allOf)'),
        ],
    ),
    ({"type": "integer", "not": {"enum": [5]}}, 5, [("<nil>", INVALID, 'Invalid value: "": "a" must not validate the schema (not)')]),
    (
        {"type": "object", "oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
        {},
        [
            ("<nil>", INVALID, 'Invalid value: "": "a" must validate one and only one schema (oneOf). Found none valid'),
            ("a.x", "FieldValueRequired", "Required value"),
        ],
    ),
    (
        {"type": "object", "oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
        {"x": 1, "y": 1},
        [("<nil>", INVALID, 'Invalid value: "": "a" must validate one and only one schema (oneOf). Found 2 valid alternatives')],
    ),
    (
        {"type": "integer", "anyOf": [{"minimum": 3}, {"maximum": 1}]},
        2,
        [
            ("<nil>", INVALID, 'Invalid value: "": "a" must validate at least one schema (anyOf)'),
            ("a", INVALID, "Invalid value: 2: a in body should be greater than or equal to 3"),
        ],
    ),
    (
        {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        ["a", "b", "a"],
        [("a[2]", "FieldValueDuplicate", 'Duplicate value: "a"')],
    ),
    (
        {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object"}},
        [{"k": "b", "v": 1}, {"k": "b"}],
        [("a[1]", "FieldValueDuplicate", 'Duplicate value: {"k":"b"}')],
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), BAD)
def test_what_the_schema_forbids_is_explained_in_upstreams_words(schema: Any, value: Any, expected: Any) -> None:
    assert causes(schema, value) == expected


FORMATS = [
    ("byte", "aGk=", "!"),
    ("cidr", "10.0.0.0/8", "10.0.0.0"),
    ("date", "2026-02-28", "2026-02-30"),
    ("date-time", "2026-01-01T00:00:00.5Z", "2026-01-01T25:00:00Z"),
    ("duration", "1h2m", "x"),
    ("email", "a@b.c", "x"),
    ("hostname", "a.example.com", "a.b"),
    ("hostname", "localhost", "-a"),
    ("ipv4", "1.2.3.4", "1.2.3"),
    ("ipv6", "::1", "1.2.3.4"),
    ("mac", "00:00:5e:00:53:01", "00:00:5e"),
    ("uri", "http://x/y", "x y"),
    ("uuid", "00000000-0000-4000-8000-000000000000", "x"),
    ("uuid4", "00000000-0000-4000-8000-000000000000", "00000000-0000-1000-8000-000000000000"),
    ("hexcolor", "#fff", "#ff"),
    ("isbn10", "0-306-40615-2", "0-306-40615-3"),
    ("isbn13", "978-0-306-40615-7", "978-0-306-40615-8"),
    ("creditcard", "4111 1111 1111 1111", "4111 1111 1111 1112"),
    ("k8s-short-name", "a-b", "a.b"),
    ("k8s-long-name", "a.b", "A"),
]


@pytest.mark.parametrize(("format", "good", "bad"), FORMATS)
def test_formats_tell_good_from_bad(format: str, good: str, bad: str) -> None:
    assert causes({"type": "string", "format": format}, good) == []
    assert causes({"type": "string", "format": format}, bad)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^[[:alpha:]]+\z", "abc", "ab1"),
        (r"^[[a]+$", "[a", "b"),
        (r"^[]a]+$", "]a", "b"),
        (r"^(?<x>a)\$$", "a$", "a"),
        (r"\d", "1", "\u0661"),
        (r"^[^/$]+$", "a", "a$"),
        (r"^\p{Greek}+$", "αβ", "ab"),
        (r"^\Qa.b\E$", "a.b", "axb"),
    ],
)
def test_patterns_are_go_patterns(pattern: str, good: str, bad: str) -> None:
    assert causes({"type": "string", "pattern": pattern}, good) == []
    assert causes({"type": "string", "pattern": pattern}, bad)


def test_a_pattern_takes_time_linear_in_the_value() -> None:
    with takes_under(1):
        assert causes({"type": "string", "pattern": "^(a+)+$"}, "a" * 100_000 + "b")


@pytest.mark.parametrize("format", sorted(KNOWN_FORMATS))
def test_a_format_takes_time_linear_in_the_value(format: str) -> None:
    with takes_under(1):
        for mark in ("1", "a", "a.", "1h", ":", "-", " "):
            causes({"type": "string", "format": format}, mark * 20_000 + "!")


def test_a_value_that_is_too_long_is_told_of_its_length_alone() -> None:
    found = causes({"type": "string", "maxLength": 3, "pattern": "^a+$"}, "bbbb")
    assert [cause[1] for cause in found] == ["FieldValueTooLong"]


@given(VALUES | OBJECTS)
def test_any_json_can_be_validated(value: Any) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "number", "multipleOf": 2}, "x-kubernetes-list-type": "set"}},
        "additionalProperties": {"x-kubernetes-int-or-string": True, "enum": ["x", 1], "not": {"maxLength": 1}},
    }
    assert isinstance(causes(schema, value), list)


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e308, 2**70])
def test_numbers_beyond_every_range_are_no_integers(value: float) -> None:
    assert causes({"type": "integer", "multipleOf": 3, "maximum": 5, "enum": [1]}, value)


def test_alternatives_take_no_more_checks_than_one_may() -> None:
    alternatives = [{"required": [f"a{number}"]} for number in range(3000)]
    schema = {"type": "array", "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "anyOf": alternatives}}
    causes = validate(build(schema), [{"a2999": 1}] * 100, "spec")
    assert [cause.reason for cause in causes] == ["FieldValueTooMany"]
    assert "use fewer or shorter values, or a simpler schema" in causes[0].message
    assert validate(build(schema), [{"a0": 1}] * 100, "spec") == []


def test_a_pattern_takes_no_more_checks_than_one_may() -> None:
    schema = build({"type": "string", "pattern": "[ab]*a[ab]{900}c"})
    assert [cause.reason for cause in validate(schema, "ab" * 50_000, "t")] == ["FieldValueTooMany"]
    assert [cause.reason for cause in validate(schema, "ab", "t")] == ["FieldValueInvalid"]


def test_of_many_causes_no_more_are_looked_for_than_an_answer_shows() -> None:
    assert len(validate(build({"type": "array", "items": {"type": "integer"}}), ["x"] * 10_000, "l")) == MOST_CAUSES + 1


def test_one_of_very_many_values_is_found_and_a_refusal_shows_some_of_them() -> None:
    schema = build({"type": "string", "enum": [f"e{number}" for number in range(9000)]})
    assert validate(schema, "e8999", "t") == []
    (cause,) = validate(schema, "other", "t")
    assert cause.message.endswith('"e199" and 8800 more')


def test_a_schema_is_the_broader_the_more_it_holds_each_value_to() -> None:
    rule = {"x-kubernetes-validations": [{"rule": "self > 0"}]}
    plain, ruled = {"type": "integer"}, {"type": "integer", **rule}
    assert breadth(build({"type": "object", "properties": {"a": plain}})) == 1
    assert breadth(build({"type": "object", "properties": {"a": ruled}})) > 10
    assert breadth(build({"type": "integer", "anyOf": [{"minimum": number} for number in range(500)]})) > 500
    assert breadth(build({"type": "string", "pattern": "a{1000}"})) > 50
