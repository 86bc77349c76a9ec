"""Whole numbers in texts of others."""

import pytest

from pilothouse.model.digits import natural


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 20, 10**20 - 1)])
def test_ascii_digits_are_a_number(text: str, number: int) -> None:
    assert natural(text) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "²", "٣", "9" * 21, "9" * 5000])
def test_everything_else_is_none(text: str) -> None:
    assert natural(text) is None
