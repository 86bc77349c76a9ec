import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.body import SyntaxProblem, YAMLProblem, fields, loads_strict, loads_yaml
from pilothouse.model.json import dumps, same
from pilothouse.model.syntax import parse
from tests.cpu import takes_under
from tests.model.json_values import VALUES


@given(VALUES, st.booleans())
def test_any_json_is_read_as_it_was_written(value: Any, pretty: bool) -> None:
    data = json.dumps(value, indent=2).encode() if pretty else dumps(value)
    found, duplicates = loads_strict(data)
    assert same(found, value)
    assert duplicates == []


@given(VALUES)
def test_the_tolerant_parser_agrees_with_the_fast_one(value: Any) -> None:
    assert same(parse(json.dumps(value).encode())[0], value)


@given(st.text('{}[]":,0123456789.eE+-truefalsn\\u \n', max_size=24))
def test_a_text_is_json_for_both_parsers_or_for_none(text: str) -> None:
    try:
        expected = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    except ValueError:
        with pytest.raises(SyntaxProblem):
            parse(text.encode())
    else:
        assert parse(text.encode())[0] == expected


def test_duplicate_fields_are_named_by_path_and_the_last_counts() -> None:
    value, duplicates = loads_strict(b'{"metadata": {"labels": {"a": "1", "a": "2"}}, "l": [{"x": 1, "x": 2}], "l": [{"y": 1, "y": 1}]}')
    assert value == {"metadata": {"labels": {"a": "2"}}, "l": [{"y": 1}]}
    assert duplicates == ["metadata.labels.a", "l[0].x", "l", "l[0].y"]


def test_a_text_alone_has_no_duplicates() -> None:
    assert loads_strict(b' "text" ') == ("text", [])


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":1}', b'{"a": 1, "a": 1}', b'{"a":1e8,"a":1e8}', b'{"a":1,"a":":"}', b'{"a":1,"a":"\\u003a"}', b'{"a":1,"a":"\\u003A"}'],
)
def test_duplicates_are_found_however_a_body_is_written(body: bytes) -> None:
    assert loads_strict(body)[1] == ["a"]


@given(VALUES, VALUES)
def test_a_field_that_comes_twice_is_always_found(first: Any, second: Any) -> None:
    assert loads_strict(b'{"a":%b,"a": %b}' % (dumps(first), json.dumps(second).encode()))[1] == ["a"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b'{"a":1} x', "invalid character 'x' after top-level value"),
        (b"{}{}", "invalid character '{' after top-level value"),
        (b'{"a":NaN}', "invalid character 'N' looking for beginning of value"),
        (b'{"a":+1}', "invalid character '+' looking for beginning of value"),
        (b'{"a":01}', "invalid character '1' after object key:value pair"),
        (b"{kind:1}", "invalid character 'k' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b'{"a":"x\ty"}', "invalid character '\\t' in string literal"),
        (b'"\\q"', "invalid character 'q' in string escape code"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b"1e+x", "invalid character 'x' in exponent of numeric literal"),
        (b"-x", "invalid character 'x' in numeric literal"),
    ],
)
def test_broken_json_is_explained_in_upstreams_words(data: bytes, message: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        loads_strict(data)
    assert str(caught.value) == message


def test_invalid_utf8_and_lone_surrogates_become_replacement_characters() -> None:
    assert loads_strict(b'{"a":"\xff"}')[0] == {"a": "\ufffd"}
    assert loads_strict(b'{"a":"\\ud800"}')[0] == {"a": "\ufffd"}
    assert loads_strict(b'"\\ud83d\\ude00"')[0] == "\U0001f600"


@pytest.mark.parametrize("depth", [300, 2000, 9999])
def test_deep_nesting_is_read(depth: int) -> None:
    value, duplicates = loads_strict(b"[" * depth + b"]" * depth)
    assert isinstance(value, list)
    assert duplicates == []


def test_nesting_over_ten_thousand_is_refused() -> None:
    with pytest.raises(SyntaxProblem, match="exceeded max depth"):
        loads_strict(b"[" * 10_001)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", {"a": 1}),
        ("a: yes", {"a": True}),
        ("a: off", {"a": False}),
        ("a: ~", {"a": None}),
        ("a: 0777", {"a": 511}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1_000", {"a": 1000}),
        ("a: -5", {"a": -5}),
        ("a: 1.5", {"a": 1.5}),
        ("a: 2020-01-01", {"a": "2020-01-01"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 1.2.3", {"a": "1.2.3"}),
        ('a: "5"', {"a": "5"}),
        ("a: !!str 5", {"a": "5"}),
        ("a: !!binary aGk=", {"a": "aGk="}),
        ("a: |\n  x\n", {"a": "x\n"}),
        ("1: x\ntrue: z", {"1": "x", "true": "z"}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: 1\n---\nb: 2", {"a": 1}),
        ('{"a": ["b", 1]}', {"a": ["b", 1]}),
        ("", None),
    ],
)
def test_yaml_is_read_as_upstream_reads_it(text: str, expected: Any) -> None:
    assert loads_yaml(text.encode()) == (expected, [])


@given(st.dictionaries(st.text(), VALUES))
def test_json_is_the_same_where_yaml_is_expected(value: Any) -> None:
    assert loads_yaml(dumps(value)) == loads_strict(dumps(value))


def test_duplicate_fields_of_json_that_is_read_as_yaml_are_named_by_line() -> None:
    assert loads_yaml(b'{"k": "v",\n "k": "w"}') == ({"k": "w"}, ['line 2: key "k" already set in map'])


def test_duplicate_yaml_keys_are_named_by_line() -> None:
    assert loads_yaml(b"data:\n  k: v\n  k: w\n") == ({"data": {"k": "w"}}, ['line 3: key "k" already set in map'])


def test_aliases_cannot_blow_up_a_body() -> None:
    lines = ["a0: &a0 x"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(YAMLProblem, match="excessive aliasing"):
        loads_yaml("\n".join(lines).encode())


def test_merge_keys_cannot_blow_up_a_body() -> None:
    lines = ["k0: &k0 {x: 1}"] + [f"k{n}: &k{n} {{<<: *k{n - 1}, a{n}: 1}}" for n in range(1, 1000)]
    with pytest.raises(YAMLProblem, match="excessive aliasing"):
        loads_yaml("\n".join(lines).encode())


def test_a_field_that_comes_twice_in_a_long_json_body_is_named_without_its_line() -> None:
    text = '{"a":1,"a":2,"b":"' + "x" * 40_000 + '"}'
    assert loads_yaml(text.encode())[1] == ['key "a" already set in map']
    assert loads_yaml(b'{"a":1,"a":2}')[1] == ['line 1: key "a" already set in map']


@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "&a [*a]", "\tx", "? [a]\n: b", "a: *b", "a: {<<: 1}", "[" * 5000, b"\xff\xfe\x00"])
def test_broken_yaml_is_a_yaml_problem(text: str | bytes) -> None:
    with pytest.raises(YAMLProblem, match="yaml: "):
        loads_yaml(text.encode() if isinstance(text, str) else text)


@given(st.text("abc:-[]{},&*!|>'\"# \n0123456789.", max_size=30))
def test_a_text_is_yaml_or_a_yaml_problem(text: str) -> None:
    try:
        value, _ = loads_yaml(text.encode())
    except YAMLProblem:
        return
    json.dumps(value)


@given(VALUES)
def test_large_bodies_are_read_like_small_ones(value: Any) -> None:
    data = json.dumps({"value": value, "odd": "\ud800", "twice": 1, "pad": "x" * 40_000}).encode()[:-1] + b', "twice": {"a": 1, "a": 2}}'
    found, duplicates = loads_strict(data)
    assert same(found["value"], value)
    assert found["odd"] == "\ufffd"
    assert duplicates == ["twice", "twice.a"]


@pytest.mark.parametrize("body", [b"[" + b"0," * 500_000 + b"x", b'{"a":1,' + b'"b":[1,2,3],' * 80_000 + b'"a":1}', b'{"a":' * 200_000])
def test_a_megabyte_that_is_odd_costs_a_fraction_of_a_second(body: bytes) -> None:
    with takes_under(1.5), contextlib.suppress(SyntaxProblem):
        loads_strict(body)


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        (b'"a": x}', "invalid character 'x' looking for beginning of value"),
        (b'"a": NaN}', "invalid character 'N' looking for beginning of value"),
        (b"a: 1}", "invalid character 'a' looking for beginning of object key string"),
        (b'"a" 1}', "invalid character '1' after object key"),
        (b'"a": "\\q"}', "invalid character 'q' in string escape code"),
        (b'"a": "\t"}', "invalid character '\\t' in string literal"),
        (b'"a": 1', "unexpected end of JSON input"),
        (b'"a": "', "unexpected end of JSON input"),
        (b'"a": 1} x', "invalid character 'x' after top-level value"),
    ],
)
def test_broken_large_bodies_are_explained_too(tail: bytes, message: str) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        loads_strict(b'{"pad": "' + b"x" * 40_000 + b'", ' + tail)
    assert str(caught.value) == message


def test_at_most_a_hundred_duplicates_are_named() -> None:
    assert len(loads_strict(b"{" + b",".join(b'"k%d":1,"k%d":1' % (n, n) for n in range(5_000)) + b"}")[1]) == 100


def test_fields_are_told_in_the_order_of_the_text() -> None:
    text = b'{"a": {"b": 1, "b": 2}, "l": [{"x]": 1}, [{"y": 1}]], "a": 3}'
    found = [("a", False), ("a.b", False), ("a.b", True), ("l", False), ("l[0].x]", False), ("l[1][0].y", False), ("a", True)]
    assert list(fields(text)) == found
