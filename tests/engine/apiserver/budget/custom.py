"""Definitions of 100 KB that a cluster takes and that make their instances as dear as they can be, with such instances.

Each is a schema of `spec` and bodies for it, as text. All are legal: who may define resources may bring them, and who may write
instances only makes use of them.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from pilothouse.model.json import dumps
from tests.engine.apiserver.budget.hostile import BYTES, nested, numbered, repeated

_ANY = {"x-kubernetes-preserve-unknown-fields": True}
_TEXT, _INTEGER = {"type": "string"}, {"type": "integer"}


class Custom(NamedTuple):
    """specs: texts for the spec of an instance, by what is bad about them."""

    schema: dict[str, Any]
    specs: Mapping[str, Callable[[], str]]


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _object(l={"type": "array", "items": items, **more})


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _ruled(schema: dict[str, Any], *rules: str) -> dict[str, Any]:
    return {**schema, "x-kubernetes-validations": [{"rule": rule} for rule in rules]}


def _filled(piece: str) -> Callable[[], str]:
    """A list of it, or of numbered ones where it has a %d."""
    return lambda: f'{{"l":[{numbered(piece) if "%d" in piece else repeated(piece)}]}}'


def _of_format(name: str, text: str) -> str:
    return f'{{"{name}":[{repeated(text)}]}}'


def _levels(depth: int, innermost: dict[str, Any], around: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    for _ in range(depth):
        innermost = around(innermost)
    return innermost


def _branches(count: int) -> list[dict[str, Any]]:
    return [{"required": [f"a{number}"]} for number in range(count)]


_NUMBERS = _filled("%d")
_OBJECTS = _filled('{"a":%d}')
_EMPTY = _filled("{}")
_WORDS = _filled('"w%d"')
_LONG_WORD = {"a long word": lambda: f'{{"l":["{"a" * BYTES}"]}}'}
_DEEP = {
    "deep": lambda: nested('{"x":', "{}", "}", 180),
    "deep and wide": lambda: nested('{"x":', "{" + numbered('"y%d":1') + "}", "}", 90),
}

CUSTOM: Mapping[str, Custom] = {
    "many alternatives": Custom(
        _list({"type": "object", "properties": {"a": _INTEGER}, "anyOf": _branches(3000)}), {"none holds": _EMPTY, "other": _OBJECTS}
    ),
    "one of many": Custom(_list({"type": "object", **_ANY, "oneOf": _branches(3000)}), {"none holds": _EMPTY, "other": _OBJECTS}),
    "all of many": Custom(_list({"type": "object", **_ANY, "allOf": _branches(3000)}), {"none holds": _EMPTY}),
    "alternatives in alternatives": Custom(
        _list({"type": "object", **_ANY, **_levels(7, {"required": ["x"]}, lambda each: {"anyOf": [each, each, each]})}),
        {"none holds": _EMPTY},
    ),
    "not not": Custom(_list({"type": "object", **_ANY, **_levels(150, {"required": ["x"]}, lambda each: {"not": each})}), {"x": _EMPTY}),
    "many values": Custom(_list({"type": "string", "enum": [f"e{number}" for number in range(9000)]}), {"others": _WORDS}),
    "large values": Custom(_list({**_ANY, "enum": [{"a": [number] * 50} for number in range(400)]}), {"others": _filled('{"a":[%d]}')}),
    "patterns": Custom(
        _list({"type": "string", "pattern": "^(a?){500}(a|b){500}(x+x+)+y$"}), {"short words": _filled('"aaaaaaaa"'), **_LONG_WORD}
    ),
    "many patterns": Custom(
        _list({"type": "string", "allOf": [{"pattern": f"(a|b)*{number}$"} for number in range(2500)]}), {"w": _WORDS, **_LONG_WORD}
    ),
    "formats": Custom(
        _object(**{name: {"type": "array", "items": {"type": "string", "format": name}} for name in ("date-time", "email", "cidr", "uri")}),
        {
            name: partial(_of_format, name, each)
            for name, each in (
                ("date-time", '"2026-01-01T00:00:00Z"'),
                ("email", '"a@b.example.com"'),
                ("cidr", '"10.0.0.0/8"'),
                ("uri", '"http://a/b"'),
            )
        },
    ),
    "a long format": Custom(_list({"type": "string", "format": "email"}), _LONG_WORD),
    "defaults": Custom(_list(_object(d={**_ANY, "type": "object", "default": {"x": ["y" * 9] * 900}})), {"empty": _EMPTY}),
    "long defaults": Custom(_list(_object(d={"type": "string", "default": "y" * 50_000})), {"empty": _EMPTY}),
    "many defaults": Custom(
        _list(_object(**{f"d{number}": {"type": "integer", "default": 1} for number in range(2000)})), {"empty": _EMPTY}
    ),
    "defaults in defaults": Custom(
        _levels(
            60,
            {"type": "object", "default": {}, **_ANY},
            lambda each: {"type": "object", "default": {}, "properties": {"a": each, "b": _TEXT}},
        ),
        {"empty": lambda: "{}"},
    ),
    "a set": Custom(_list(_INTEGER, **{"x-kubernetes-list-type": "set"}), {"numbers": _NUMBERS, "the same": _filled("1")}),
    "a map": Custom(
        _list(
            {"type": "object", "properties": {"a": _INTEGER, "b": _INTEGER}, "required": ["a"]},
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]},
        ),
        {"objects": _OBJECTS, "the same": _filled('{"a":1,"b":2}')},
    ),
    "a least size": Custom(_list(_INTEGER, minItems=200_000), {"numbers": _NUMBERS}),
    "least sizes at each level": Custom(
        _levels(100, {"type": "object", **_ANY}, lambda each: {"type": "array", "minItems": 9, "items": each}),
        {"deep": lambda: nested("[", "{" + numbered('"y%d":1') + "}", "]", 100)},
    ),
    "what must be there": Custom(
        _list({"type": "object", **_ANY, "required": [f"r{number}" for number in range(5000)]}), {"empty": _EMPTY}
    ),
    "wrong types": Custom(_list(_INTEGER), {"words": _WORDS, "objects": _OBJECTS}),
    "unknown fields": Custom(_list(_object(b=_INTEGER)), {"objects": _OBJECTS, "long names": _filled('{"' + "k" * 500 + '":%d}')}),
    "resources in it": Custom(
        _list({"type": "object", **_ANY, "x-kubernetes-embedded-resource": True}),
        {"metadata": _filled('{"apiVersion":"v1","kind":"A","metadata":{"name":"a%d","labels":{"a":"b"}}}'), "none": _EMPTY},
    ),
    "anything": Custom(
        {"type": "object", **_ANY},
        {**_DEEP, "numbers": _NUMBERS, "objects": _OBJECTS, "deep objects": _filled(nested('{"a":', "1", "}", 50))},
    ),
    "a rule of each item": Custom(_list(_ruled({"type": "integer"}, "self >= 0"), maxItems=50_000), {"numbers": _NUMBERS}),
    "a rule that none meets": Custom(_list(_ruled({"type": "integer"}, "self < 0"), maxItems=50_000), {"numbers": _NUMBERS}),
    "rules over a list": Custom(
        _ruled(_list({"type": "integer"}, maxItems=1100), *["self.l.all(x, self.l.exists(y, y >= x))"] * 2),
        {"numbers": lambda: f'{{"l":{list(range(1100))}}}'},
    ),
    "many rules": Custom(
        _ruled(_list({"type": "string", "maxLength": 10}, maxItems=5000), *[f"self.l.size() != {number}" for number in range(800)]),
        {"words": lambda: dumps({"l": ["w"] * 5000}).decode()},
    ),
    "rules over text": Custom(
        _ruled(
            _object(t={"type": "string", "maxLength": BYTES}),
            *["!self.t.matches('(x+x+)+y$')", "self.t.upperAscii() != 'A'", "!self.t.contains('aab')"] * 10,
        ),
        {"a long text": lambda: f'{{"t":"{"a" * BYTES}"}}'},
    ),
    "rules over splits": Custom(
        _ruled(
            _object(t={"type": "string", "maxLength": 20_000}),
            "self.t.split('').all(c, c == 'a')",
            "self.t.replace('a', 'bbbb').size() > 0",
        ),
        {"a long text": lambda: f'{{"t":"{"a" * 20_000}"}}'},
    ),
}
"""Titles are of the schemas."""


def instance(spec: str) -> str:
    return f'{{"metadata":{{"name":"it"}},"spec":{spec}}}'


def openapi(spec: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": spec}}
