from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.model.quantity import BINARY, DECIMAL, EXPONENT, Quantity, QuantityError, canonical, milli, parse, whole

CANONICAL = [
    ("0", "0"),
    ("0m", "0"),
    ("100m", "100m"),
    ("0.1", "100m"),
    ("1000m", "1"),
    ("1.5Gi", "1536Mi"),
    ("0.5Gi", "512Mi"),
    ("1024Mi", "1Gi"),
    ("1000000Ki", "1000000Ki"),
    ("1000k", "1M"),
    ("64.5k", "64500"),
    ("1e3", "1e3"),
    ("12E3", "12e3"),
    ("2e0", "2e0"),
    ("100.5", "100500m"),
    ("1.1Ki", "1126400m"),
    ("100500u", "100500u"),
    ("12E", "12E"),
    ("100Ei", "9223372036854775807"),
    (".5", "500m"),
    ("5.", "5"),
    ("+1", "1"),
    ("-500m", "-500m"),
    ("0.00000000001", "1n"),
    ("1023", "1023"),
    ("2Ki", "2Ki"),
    ("0.5Ki", "512"),
]


@pytest.mark.parametrize(("text", "expected"), CANONICAL)
def test_each_amount_has_one_canonical_text(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize("text", ["", "a", "1x", "1Mib", "1e", ".", "1..2", "+-1", "1 ", "0x1", "1_0", "Ki", "1KiB", "1e1.5"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        parse(text)


@pytest.mark.parametrize("value", [True, [1], {}])
def test_json_values_other_than_numbers_and_strings_are_refused(value: object) -> None:
    with pytest.raises(QuantityError, match="quantities must match the regular expression"):
        Quantity.of(value)


def test_json_numbers_are_quantities() -> None:
    assert str(Quantity.of(1)) == "1"
    assert str(Quantity.of(0.25)) == "250m"
    assert Quantity.of(None).is_zero


def test_values_round_up() -> None:
    assert parse("1500m").value == 2
    assert parse("-1500m").value == -1
    assert parse("1500u").milli_value == 2
    assert parse("2Gi").value == 2 * 1024**3


def test_sums_keep_the_format_of_the_first() -> None:
    assert str(parse("1Gi") + parse("1Mi")) == "1025Mi"
    assert str(parse("500m") + parse("500m")) == "1"
    assert str(parse("0") + parse("1Ki")) == "1Ki"
    assert str(parse("1Gi") - parse("1Gi")) == "0"
    assert str(parse("100m") * 3) == "300m"
    assert str(-parse("1")) == "-1"


def test_amounts_compare_whatever_their_format() -> None:
    assert parse("1Ki") == parse("1024")
    assert hash(parse("1Ki")) == hash(parse("1024"))
    assert parse("1k") < parse("1Ki") <= parse("1.024k")
    assert parse("1Ki") > parse("1k") >= parse("1000")


def test_huge_exponents_cost_nothing() -> None:
    assert parse("1e999999999") > parse("1E")


@given(st.integers(-(10**15), 10**15), st.sampled_from(["n", "u", "m", "", "k", "M", "Ki", "Mi", "e3", "e-3"]))
def test_the_canonical_text_means_the_same_amount(number: int, suffix: str) -> None:
    found = parse(f"{number}{suffix}")
    assert parse(str(found)) == found
    assert canonical(str(found)) == str(found)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_arithmetic_is_exact(left: int, right: int) -> None:
    assert (milli(left) + milli(right)).amount == Fraction(left + right, 1000)
    assert (whole(left) - whole(right)).value == left - right


@given(st.text("0123456789.+-eEinumkKMGTP", max_size=12))
def test_a_text_is_a_quantity_or_a_quantity_error(text: str) -> None:
    try:
        found = parse(text)
    except QuantityError:
        return
    assert found.format in (DECIMAL, BINARY, EXPONENT)
    assert str(found)


@pytest.mark.parametrize("text", ["9" * 5_000, "1" + "0" * 100_000 + "Ki", "0." + "0" * 100_000 + "1"])
def test_an_endless_quantity_is_none(text: str) -> None:
    with pytest.raises(QuantityError):
        parse(text)
