"""Quantities. Source: apiserver/pkg/cel/library/quantity.go. A quantity keeps its exact amount as a fraction, in a text."""

from fractions import Fraction
from typing import Any

from pilothouse.model.cel.functions.declare import T, function, method, succeeds
from pilothouse.model.cel.messages import QUANTITY, make, type_of
from pilothouse.model.quantity import QuantityError, parse

_INT64 = range(-(2**63), 2**63)
_QUANTITY = type_of(QUANTITY)


def _quantity(text: str) -> Any:
    try:
        return _of(parse(text).amount)
    except QuantityError as error:
        raise ValueError(str(error)) from None


def _of(amount: Fraction) -> Any:
    return make(QUANTITY, amount=str(amount))


def _amount(value: Any) -> Fraction:
    return Fraction(value) if isinstance(value, int) else Fraction(value.amount)


def _sign(value: Any) -> int:
    amount = _amount(value)
    return (amount > 0) - (amount < 0)


def _compare(one: Any, other: Any) -> int:
    first, second = _amount(one), _amount(other)
    return (first > second) - (first < second)


def _is_integer(value: Any) -> bool:
    amount = _amount(value)
    return amount.denominator == 1 and amount.numerator in _INT64


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return _amount(value).numerator


def _add(one: Any, other: Any) -> Any:
    return _of(_amount(one) + _amount(other))


def _subtract(one: Any, other: Any) -> Any:
    return _of(_amount(one) - _amount(other))


_PAIR = (_QUANTITY, _QUANTITY)
_WITH_INT = (_QUANTITY, T.INT)

QUANTITIES = (
    function("quantity", (_QUANTITY, (T.STRING,), _quantity)),
    function("isQuantity", (T.BOOL, (T.STRING,), succeeds(_quantity))),
    method("sign", (T.INT, (_QUANTITY,), _sign)),
    method("isInteger", (T.BOOL, (_QUANTITY,), _is_integer)),
    method("asInteger", (T.INT, (_QUANTITY,), _as_integer)),
    method("asApproximateFloat", (T.DOUBLE, (_QUANTITY,), lambda value: float(_amount(value)))),
    method("isGreaterThan", (T.BOOL, _PAIR, lambda one, other: _compare(one, other) > 0)),
    method("isLessThan", (T.BOOL, _PAIR, lambda one, other: _compare(one, other) < 0)),
    method("compareTo", (T.INT, _PAIR, _compare)),
    method("add", (_QUANTITY, _PAIR, _add), (_QUANTITY, _WITH_INT, _add)),
    method("sub", (_QUANTITY, _PAIR, _subtract), (_QUANTITY, _WITH_INT, _subtract)),
)
