import pytest

from pilothouse.platform.builds.variables import expand, words

VALUES = {"A": "a", "EMPTY": "", "B": "b c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}x", "a-ax"),
        ("${NONE:-$A}", "a"),
        ("${NONE:-${EMPTY:-${A}}}", "a"),
        ("${EMPTY-x}${EMPTY:-x}", "x"),
        ("python:3${A:+-slim}${NONE:+-no}", "python:3-slim"),
        ("${EMPTY+set}${EMPTY:+set}", "set"),
        ("${NONE:?must be set}", ""),
        ("\"$A\" '$A'", "a $A"),
        (r"\$A", "$A"),
        ("$", "$"),
        ("${A", "a"),
        ("${}", ""),
    ],
)
def test_variables_are_filled_in_as_dockerfiles_do(text: str, expected: str) -> None:
    assert expand(text, VALUES) == expected


def test_words_are_split_outside_quotes_only() -> None:
    assert words("""A="x y" B='z w' C=d\\ e  PY=3""") == ['A="x y"', "B='z w'", "C=d\\ e", "PY=3"]
