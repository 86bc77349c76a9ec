"""Quantities. Source: apiserver/pkg/cel/library/quantity.go. In rules a quantity is its exact amount as a fraction, in a text."""

from fractions import Fraction

from pilothouse.model.cel.functions.declare import T, function, method
from pilothouse.model.quantity import QuantityError, parse

_INT64 = range(-(2**63), 2**63)


def _quantity(text: str) -> str:
    try:
        return str(parse(text).amount)
    except QuantityError as error:
        raise ValueError(str(error)) from None


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except QuantityError:
        return False
    return True


def _amount(text: str | int) -> Fraction:
    return Fraction(text)


def _sign(text: str) -> int:
    amount = _amount(text)
    return (amount > 0) - (amount < 0)


def _compare(one: str, other: str) -> int:
    first, second = _amount(one), _amount(other)
    return (first > second) - (first < second)


def _is_integer(text: str) -> bool:
    amount = _amount(text)
    return amount.denominator == 1 and amount.numerator in _INT64


def _as_integer(text: str) -> int:
    if not _is_integer(text):
        raise ValueError("cannot convert value to integer")
    return _amount(text).numerator


def _add(one: str, other: str | int) -> str:
    return str(_amount(one) + _amount(other))


def _subtract(one: str, other: str | int) -> str:
    return str(_amount(one) - _amount(other))


_PAIR = (T.STRING, T.STRING)
_WITH_INT = (T.STRING, T.INT)

QUANTITIES = (
    function("quantity", (T.STRING, (T.STRING,), _quantity)),
    function("isQuantity", (T.BOOL, (T.STRING,), _is_quantity)),
    method("sign", (T.INT, (T.STRING,), _sign)),
    method("isInteger", (T.BOOL, (T.STRING,), _is_integer)),
    method("asInteger", (T.INT, (T.STRING,), _as_integer)),
    method("asApproximateFloat", (T.DOUBLE, (T.STRING,), lambda text: float(_amount(text)))),
    method("isGreaterThan", (T.BOOL, _PAIR, lambda one, other: _compare(one, other) > 0)),
    method("isLessThan", (T.BOOL, _PAIR, lambda one, other: _compare(one, other) < 0)),
    method("compareTo", (T.INT, _PAIR, _compare)),
    method("add", (T.STRING, _PAIR, _add), (T.STRING, _WITH_INT, _add)),
    method("sub", (T.STRING, _PAIR, _subtract), (T.STRING, _WITH_INT, _subtract)),
)
