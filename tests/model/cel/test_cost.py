"""Estimated costs: the figures by which upstream refuses definitions, worked out by its rules of cost."""

import pytest

from pilothouse.model.cel import RuleCompiler
from pilothouse.model.cel.cost import MOST, estimated_cost, most_occurrences
from pilothouse.model.json import Object
from pilothouse.model.schema.crd import build

LONGEST = 3 * 1024 * 1024 - 2
SCHEMA: Object = {
    "type": "object",
    "properties": {
        "i": {"type": "integer"},
        "s": {"type": "string"},
        "t": {"type": "string", "maxLength": 25},
        "e": {"type": "string", "enum": ["a", "abc"]},
        "d": {"type": "string", "format": "duration"},
        "l": {"type": "array", "items": {"type": "integer"}, "maxItems": 20},
        "ls": {"type": "array", "items": {"type": "string", "maxLength": 10}, "maxItems": 20},
        "ll": {"type": "array", "maxItems": 3, "items": {"type": "array", "maxItems": 4, "items": {"type": "string", "maxLength": 25}}},
        "m": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 25}, "maxProperties": 7},
        "any": {"x-kubernetes-int-or-string": True, "maxLength": 5},
    },
}


def cost(text: str, schema: Object = SCHEMA, *, optional_old: bool = False) -> int:
    node = build(schema)
    rule = RuleCompiler(node).rule(text, optional_old=optional_old)
    return estimated_cost(rule.body, rule.tree, node, is_resource=False)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("true", 0),
        ("self.i == 1", 2),  # the variable, the field; a number is compared for nothing
        ("has(self.i)", 1),
        ("has(self.i) && self.i > 1", 4),
        ("self.s == self.s", 2 + 2 + 314_573),  # a tenth of each byte
        ("self.t == self.t", 2 + 2 + 10),  # a character may take four bytes
        ("self.e == 'abc'", 3),
        ("self.d == duration('1s')", 2 + 1 + 1),
        ("self.t.startsWith('abcdefghijk')", 2 + 2),
        ("self.t.contains('x')", 2 + 10),
        ("self.t.matches('^[a-z]+$')", 2 + 11 * 2),
        ("self.t.find('[a-z]') == ''", 2 + 11 * 2),
        ("self.t.lowerAscii().trim() == 'x'", 2 + 10 + 10 + 1),
        ("1 in self.l", 2 + 20),
        ("self.l.all(x, x > 0)", 2 + 1 + 20 * 5),
        ("self.l.exists(x, x > 0)", 2 + 1 + 20 * 6),
        ("self.l.map(x, x * 2).size() == 20", 2 + 10 + 20 * 14 + 1 + 1 + 1),
        ("self.l.sum() > 0", 2 + 20 + 1),
        ("self.m.transformMap(k, v, v).size() == 7", 2 + 30 + 7 * 4 + 1 + 1 + 1),
        ("self.m.transformMapEntry(k, v, {v: k}).size() == 7", 2 + 30 + 7 * (2 + 32) + 1 + 1 + 1),
        ("self.ls.min() == 'a'", 2 + 20 * 5 + 1),
        ("self.ll[0].all(x, x == 'a')", 2 + 1 + 1 + 4 * 5),
        ("self.ll.all(x, x.all(y, y.contains('aaaaaaaaaaa')))", 2 + 3 * (3 + 4 * 24 + 2) + 1),
        ("self.m.all(k, self.m[k] == 'a')", 2 + 1 + 7 * 8),
        ("self.any == 'x'", 3),
        ("quantity(self.t).isGreaterThan(quantity('1Gi'))", 2 + 10 + 1 + 1),
        ("cidr(self.t).containsIP('1.2.3.4')", 2 + 10 + 4 + 1),
        ("!format.dns1123Label().validate(self.t).hasValue()", 2 + 1 + 10 * 32 + 1 + 1),
        ("type(self.i) == int", 4),
        ("optional.of('a') == optional.none()", 1_844_674_407_370_955_266),
        ("self.s.split('').all(x, self.s.split('').all(y, x == y))", None),
    ],
)
def test_a_rule_is_estimated_as_upstream_does(rule: str, expected: int | None) -> None:
    found = cost(rule)
    assert found == expected if expected is not None else found > 10**12


def test_an_old_value_that_may_be_absent_costs_what_its_author_wrote() -> None:
    assert cost("!oldSelf.hasValue() || oldSelf.value().i == self.i", optional_old=True) < 20


def test_costs_stay_within_64_bits() -> None:
    text = "self.ls"
    schema: Object = {"type": "object", "properties": {"ls": {"type": "array", "items": {"type": "string"}}}}
    for name in "abcd":
        text = f"self.ls.map({name}, {text})"
    assert cost(f"{text}.size() > 0", schema) == MOST


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, (LONGEST + 2) // 3),
        ({"type": "object"}, (LONGEST + 2) // 3),
        ({"type": "object", "required": ["abc"], "properties": {"abc": {"type": "boolean"}}}, (LONGEST + 2) // (2 + 3 + 4 + 4 + 1)),
        ({"type": "object", "required": ["abc"], "properties": {"abc": {"type": "boolean", "default": True}}}, (LONGEST + 2) // 3),
    ],
)
def test_how_often_a_value_fits_into_a_request_follows_from_its_least_size(schema: Object, expected: int) -> None:
    assert most_occurrences(build(schema)) == expected
