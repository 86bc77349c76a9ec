"""Quantities of resources: exact arithmetic, and the one canonical string that upstream gives each amount.

`100m`, `1.5Gi`, `1e3`: a quantity remembers its format (decimal SI, binary SI, decimal exponent) so that it prints in the family it was
written in. Amounts finer than a nano are rounded away from zero, and long ones are cut at 2^63-1, as upstream does.
Source: apimachinery/pkg/api/resource/quantity.go.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pilothouse.model.caching import remembered

PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
WRONG_FORMAT = f"quantities must match the regular expression '{PATTERN}'"
WRONG_SUFFIX = "unable to parse quantity's suffix"
NOT_NUMERIC = "unable to parse numeric part of quantity"

DECIMAL, BINARY, EXPONENT = "DecimalSI", "BinarySI", "DecimalExponent"

_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {power: suffix for suffix, power in _DECIMAL_SUFFIXES.items()}
_BINARY_NAMES = {power: suffix for suffix, power in _BINARY_SUFFIXES.items()} | {0: ""}

_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?![0-9.])", re.ASCII)
_SUFFIX = re.compile(r"[eE][+-]?[0-9]+", re.ASCII)
_ALLOWED_SUFFIX = re.compile(r"[eEinumkKMGTP]*[-+]?[0-9]*", re.ASCII)

_FAST_DIGITS = 18
_LONGEST = 1024  # characters; far beyond the largest amount, and below what int() reads
_NANO = Fraction(1, 10**9)
_LIMIT = 2**63 - 1


class QuantityError(ValueError):
    """Not a quantity; the message is upstream's."""


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An amount with the format it is printed in. Compared by amount alone."""

    amount: Fraction
    format: str = DECIMAL

    @classmethod
    def of(cls, value: Any) -> "Quantity":
        """From what JSON may carry: a string or a number; None is zero. Raises QuantityError."""
        if value is None:
            return ZERO
        if isinstance(value, Quantity):
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise QuantityError(WRONG_FORMAT)
        return parse(value if isinstance(value, str) else repr(value))

    @property
    def is_zero(self) -> bool:
        return not self.amount

    @property
    def value(self) -> int:
        """The whole number, rounded up."""
        return _ceil(self.amount)

    @property
    def milli_value(self) -> int:
        """Thousandths, rounded up: millicores."""
        return _ceil(self.amount * 1000)

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.amount + other.amount, self.format if self.amount else other.format)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.amount - other.amount, self.format if self.amount else other.format)

    def __neg__(self) -> "Quantity":
        return Quantity(-self.amount, self.format)

    def __mul__(self, factor: int) -> "Quantity":
        return Quantity(self.amount * factor, self.format)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __lt__(self, other: "Quantity") -> bool:
        return self.amount < other.amount

    def __le__(self, other: "Quantity") -> bool:
        return self.amount <= other.amount

    def __gt__(self, other: "Quantity") -> bool:
        return self.amount > other.amount

    def __ge__(self, other: "Quantity") -> bool:
        return self.amount >= other.amount

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return _print(self.amount, self.format)


ZERO = Quantity(Fraction(0))


@remembered(4096)
def parse(text: str) -> Quantity:
    """The quantity that the text stands for; raises QuantityError."""
    if text.isascii() and text.isdigit() and len(text) <= _FAST_DIGITS:
        return Quantity(Fraction(int(text)))
    if not text or len(text) > _LONGEST:
        raise QuantityError(WRONG_FORMAT)
    sign, whole, fraction, suffix = _split(text)
    exponent, format = _scale(suffix)
    if format == BINARY:
        amount = Fraction(int(whole + fraction or "0") << exponent, 10 ** len(fraction))
    else:
        amount = Fraction(int(whole + fraction or "0")) * Fraction(10) ** (exponent - len(fraction))
    signed = -amount if sign == "-" else amount
    return Quantity(signed if _is_fast(whole, fraction, exponent, format) else _bounded(signed), format)


@remembered(4096)
def canonical(text: str) -> str:
    """The canonical form of a quantity's text: what the API server answers with; raises QuantityError."""
    return str(parse(text))


def milli(value: int) -> Quantity:
    """So many thousandths."""
    return Quantity(Fraction(value, 1000))


def whole(value: int, format: str = DECIMAL) -> Quantity:
    return Quantity(Fraction(value), format)


def _split(text: str) -> tuple[str, str, str, str]:
    match = _NUMBER.match(text)
    if match is None:
        raise QuantityError(WRONG_FORMAT)
    sign, whole, fraction = match[1], match[2], match[3] or ""
    suffix = text[match.end() :]
    if _ALLOWED_SUFFIX.fullmatch(suffix) is None:
        raise QuantityError(WRONG_FORMAT)
    if not whole and not fraction:
        raise QuantityError(NOT_NUMERIC if match[3] is not None else WRONG_FORMAT)
    return sign, whole, fraction, suffix


def _scale(suffix: str) -> tuple[int, str]:
    """The exponent (of ten, or of two for a binary suffix) and the format."""
    if suffix in _DECIMAL_SUFFIXES:
        return _DECIMAL_SUFFIXES[suffix], DECIMAL
    if suffix in _BINARY_SUFFIXES:
        return _BINARY_SUFFIXES[suffix], BINARY
    if _SUFFIX.fullmatch(suffix) and len(suffix) < 12:
        return _exponent(int(suffix[1:])), EXPONENT
    raise QuantityError(WRONG_SUFFIX)


def _is_fast(whole: str, fraction: str, exponent: int, format: str) -> bool:
    """Whether upstream keeps the amount as digits and scale, where no bound but the nano applies (`12E` is fine, `100Ei` is not)."""
    digits = len(whole.lstrip("0")) + len(fraction)
    if format == BINARY:
        return not fraction and 15 - len(whole.lstrip("0")) - exponent * 3 // 10 - 1 >= 0
    return digits <= _FAST_DIGITS and exponent - len(fraction) >= -9


def _exponent(power: int) -> int:
    """Exponents so large that the amount is at its bounds anyway are cut, so that nobody can make the parser count to a billion digits."""
    return max(-400, min(400, power))


def _bounded(amount: Fraction) -> Fraction:
    if amount.denominator != 1:
        nanos = amount / _NANO
        if nanos.denominator != 1:
            amount = (_ceil(nanos) if nanos > 0 else -_ceil(-nanos)) * _NANO
    return max(Fraction(-_LIMIT), min(Fraction(_LIMIT), amount))


def _ceil(amount: Fraction) -> int:
    return -(-amount.numerator // amount.denominator)


def _print(amount: Fraction, format: str) -> str:
    if not amount:
        return "0"
    if format == BINARY and -1024 < amount < 1024:
        format = DECIMAL
    if format == BINARY and amount.denominator == 1:
        return _print_binary(amount.numerator)
    mantissa, exponent = _decimal(amount)
    if format == EXPONENT:
        return f"{mantissa}e{exponent}"
    while exponent > 18:
        mantissa, exponent = mantissa * 1000, exponent - 3
    return f"{mantissa}{_DECIMAL_NAMES[exponent]}"


def _print_binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < 60:
        number, power = number // 1024, power + 10
    return f"{number}{_BINARY_NAMES[power]}"


def _decimal(amount: Fraction) -> tuple[int, int]:
    """The amount as mantissa and an exponent that is a multiple of three, the mantissa as small as it can be."""
    exponent = 0
    while amount.denominator != 1:
        amount, exponent = amount * 1000, exponent - 3
    mantissa = amount.numerator
    while mantissa % 1000 == 0:
        mantissa, exponent = mantissa // 1000, exponent + 3
    return mantissa, exponent
