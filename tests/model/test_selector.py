import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.selector import (
    EVERYTHING,
    NOTHING,
    SelectorError,
    from_label_selector,
    parse_fields,
    parse_labels,
)

MATCHING = [
    ("", {}, True),
    ("a=b", {"a": "b"}, True),
    ("a==b", {"a": "c"}, False),
    ("a=", {"a": ""}, True),
    ("a=", {}, False),
    ("a!=b", {}, True),
    ("a!=b", {"a": "b"}, False),
    ("a", {"a": ""}, True),
    ("!a", {"b": ""}, True),
    ("!a", {"a": ""}, False),
    ("a in (x,y)", {"a": "y"}, True),
    ("a in (x,y)", {}, False),
    ("a notin (x,y)", {}, True),
    ("a notin (x, y)", {"a": "x"}, False),
    ("a in (,1)", {"a": ""}, True),
    ("n>5", {"n": "6"}, True),
    ("n>5", {"n": "5"}, False),
    ("n<5", {"n": "x"}, False),
    ("n<5", {}, False),
    ("a=1,a=2", {"a": "1"}, False),
    (" a = b , ! c ", {"a": "b"}, True),
]


@pytest.mark.parametrize(("text", "labels", "expected"), MATCHING)
def test_label_selectors_match_as_upstream_does(text: str, labels: dict[str, str], expected: bool) -> None:
    assert parse_labels(text).matches(labels) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=1,", "found '', expected: identifier after ','"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("a b=1", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("n>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer"),
        ("a=" + "x" * 64, f'unable to parse requirement: values[0][a]: Invalid value: "{"x" * 64}": must be no more than 63 bytes'),
        ("x" * 64, f'unable to parse requirement: <nil>: Invalid value: "{"x" * 64}": name part must be no more than 63 bytes'),
    ],
)
def test_bad_label_selectors_are_explained_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_labels(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["a=b", "a=b,c in (x,y),d!=e,!f,g,n>5", "a notin (x)", ""])
def test_a_selector_prints_as_what_parses_to_it(text: str) -> None:
    assert parse_labels(str(parse_labels(text))) == parse_labels(text)


def test_requirements_are_sorted_by_key() -> None:
    assert str(parse_labels("b=1,a=2")) == "a=2,b=1"


def test_an_absent_label_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert from_label_selector(None) == NOTHING
    assert not NOTHING.matches({"a": "b"})
    assert from_label_selector({}) == EVERYTHING
    assert EVERYTHING.is_everything
    assert not NOTHING.is_everything


def test_a_label_selector_object_needs_all_its_parts() -> None:
    selector = from_label_selector(
        {
            "matchLabels": {"a": "b"},
            "matchExpressions": [
                {"key": "c", "operator": "In", "values": ["x", "y"]},
                {"key": "d", "operator": "DoesNotExist"},
                {"key": "e", "operator": "Exists"},
                {"key": "f", "operator": "NotIn", "values": ["z"]},
            ],
        }
    )
    assert selector.matches({"a": "b", "c": "x", "e": ""})
    assert not selector.matches({"a": "b", "c": "x", "e": "", "d": ""})
    assert str(selector) == "a=b,c in (x,y),!d,e,f notin (z)"


@pytest.mark.parametrize(
    "expression",
    [
        {"key": "a", "operator": "Is"},
        {"key": "a", "operator": "In"},
        {"key": "a", "operator": "Exists", "values": ["x"]},
        {"key": "-", "operator": "Exists"},
    ],
)
def test_a_bad_expression_is_refused(expression: dict[str, object]) -> None:
    with pytest.raises(SelectorError):
        from_label_selector({"matchExpressions": [expression]})


def test_an_index_can_ask_for_the_exact_value() -> None:
    assert parse_labels("a=b,c!=d").exact("a") == "b"
    assert parse_labels("c!=d,e in (x,y)").exact("e") is None
    assert parse_fields("metadata.name=x").exact("metadata.name") == "x"
    assert parse_fields("metadata.name!=x").exact("metadata.name") is None


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("", {}, True),
        ("metadata.name=x", {"metadata.name": "x"}, True),
        ("metadata.name==x", {"metadata.name": "y"}, False),
        ("a=x,b!=y", {"a": "x", "b": "z"}, True),
        ("a=x,", {"a": "x"}, True),
        ("a=", {}, True),
        (r"a=x\,y\=z\\", {"a": "x,y=z\\"}, True),
    ],
)
def test_field_selectors_match_as_upstream_does(text: str, fields: dict[str, str], expected: bool) -> None:
    assert parse_fields(text).matches(fields) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a>x", "invalid selector: 'a>x'; can't understand 'a>x'"),
        (r"a=x\b", r"invalid field selector: invalid escape sequence: \b"),
        ("a===x", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_bad_field_selectors_are_explained_in_upstreams_words(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_fields(text)
    assert str(caught.value) == message


@given(st.dictionaries(st.sampled_from(["a", "b.c"]), st.text(max_size=8), max_size=2))
def test_any_value_survives_escaping(fields: dict[str, str]) -> None:
    text = ",".join(f"{key}={_escaped(value)}" for key, value in fields.items())
    selector = parse_fields(text)
    assert selector.matches(fields)
    assert parse_fields(str(selector)) == selector


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


@given(st.text("ab=!,() <>in", max_size=12))
def test_a_text_is_a_selector_or_a_selector_error(text: str) -> None:
    try:
        found = parse_labels(text)
    except SelectorError:
        return
    assert parse_labels(str(found)) == found


@given(st.lists(st.sampled_from(["a=1", "a=2", "a!=1", "a!=2", "a in (1,2)", "a notin (2,3)", "a", "!a", "a>1", "a<3", "b", "!b", "b=1"])))
def test_many_requirements_hold_when_each_of_them_does(texts: list[str]) -> None:
    for labels in ({}, {"a": "1"}, {"a": "2", "b": "1"}, {"b": "x"}, {"a": "x", "c": ""}):
        each = [parse_labels(text).matches(labels) for text in texts]
        assert parse_labels(",".join(texts)).matches(labels) is all(each)


@given(st.lists(st.sampled_from(["a=1", "a=2", "a!=1", "b!=", "b=", "b=1"])))
def test_many_requirements_on_fields_hold_when_each_of_them_does(texts: list[str]) -> None:
    for fields in ({}, {"a": "1"}, {"a": "2", "b": "1"}, {"a": 1}):
        each = [parse_fields(text).matches(fields) for text in texts]
        assert parse_fields(",".join(texts)).matches(fields) is all(each)


def test_a_number_of_too_many_digits_is_none_to_compare_with() -> None:
    with pytest.raises(SelectorError):
        parse_labels("n>" + "1" * 5000)
