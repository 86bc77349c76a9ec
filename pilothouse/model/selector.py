"""Label and field selectors: parsed once, matched often, printed canonically.

A selector is a tuple of requirements, all of which must hold. `a != b` and `a notin (b)` hold for objects without the label, too.
Source: apimachinery/pkg/labels/selector.go, pkg/fields/selector.go, apis/meta/v1/helpers.go.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilothouse.model import names
from pilothouse.model.json import Object


class SelectorError(ValueError):
    """Not a selector; the message is upstream's."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """operator: `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt` or `lt`; values are sorted."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(self.values)})"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{self.values[0]}"
        return f"{self.key}{self.operator}{self.values[0]}"


class _Plan:
    """Requirements by their keys, so that matching takes as long as there are labels, however many requirements there are."""

    __slots__ = ("_numbers", "_unwanted", "_wanted")

    def __init__(self, requirements: tuple[Requirement, ...]) -> None:
        self._wanted: dict[str, frozenset[str] | None] = {}
        self._unwanted: dict[str, frozenset[str] | None] = {}
        self._numbers: dict[str, tuple[float, float]] = {}
        for each in requirements:
            self._add(each.key, each.operator, each.values)

    def _add(self, key: str, operator: str, values: tuple[str, ...]) -> None:
        match operator:
            case "exists":
                self._wanted.setdefault(key, None)
            case "!":
                self._unwanted[key] = None
            case "=" | "==" | "in":
                before = self._wanted.get(key)
                self._wanted[key] = frozenset(values) if before is None else before.intersection(values)
            case "!=" | "notin":
                refused = self._unwanted.get(key, frozenset())
                self._unwanted[key] = None if refused is None else refused.union(values)
            case _:
                low, high = self._numbers.get(key, (-math.inf, math.inf))
                bound = int(values[0])
                self._numbers[key] = (max(low, bound), high) if operator == "gt" else (low, min(high, bound))

    def holds(self, labels: Mapping[str, str]) -> bool:
        if max(len(self._wanted), len(self._numbers)) > len(labels):
            return False
        for key, values in self._wanted.items():
            found = labels.get(key)
            if found is None or (values is not None and found not in values):
                return False
        return self._has_none_unwanted(labels) and all(_is_between(labels.get(key), *bounds) for key, bounds in self._numbers.items())

    def _has_none_unwanted(self, labels: Mapping[str, str]) -> bool:
        unwanted = self._unwanted
        for key in unwanted if len(unwanted) < len(labels) else labels:
            if key in unwanted and key in labels:
                refused = unwanted[key]
                if refused is None or labels[key] in refused:
                    return False
        return True


def _is_between(found: str | None, low: float, high: float) -> bool:
    number = _integer(found) if found is not None else None
    return number is not None and low < number < high


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements on labels; without any, everything matches, unless `nothing` is set."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    _plan: _Plan | None = field(default=None, init=False, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        plan = self._plan
        if plan is None:
            plan = _Plan(self.requirements)
            object.__setattr__(self, "_plan", plan)
        return not self.nothing and plan.holds(labels)

    @property
    def is_everything(self) -> bool:
        return not self.requirements and not self.nothing

    def exact(self, key: str) -> str | None:
        """The one value that the key must have, when the selector says so: what an index can be asked for."""
        for requirement in self.requirements:
            if requirement.key == key and requirement.operator in ("=", "==", "in") and len(requirement.values) == 1:
                return requirement.values[0]
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)


def requirement(key: str, operator: str, values: Iterable[str] = ()) -> Requirement:
    """A requirement that has been checked as upstream does; raises SelectorError."""
    found = tuple(sorted(set(values)))
    _check_key(key)
    if found or operator in ("in", "notin", "=", "==", "!=", "gt", "lt"):
        _check_values(key, operator, found)
    return Requirement(key, operator, found)


def _check_key(key: str) -> None:
    for message in names.qualified_name(key):
        raise SelectorError(f"<nil>: Invalid value: {_quote(key)}: {message}")


def _check_values(key: str, operator: str, values: tuple[str, ...]) -> None:
    if operator in ("in", "notin") and not values:
        raise SelectorError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
    if operator in ("=", "==", "!=") and len(values) != 1:
        raise SelectorError(f"values: Invalid value: [{_go_list(values)}]: exact-match compatibility requires one single value")
    if operator in ("exists", "!") and values:
        raise SelectorError(f"values: Invalid value: [{_go_list(values)}]: values set must be empty for exists and does not exist")
    if operator in ("gt", "lt"):
        if len(values) != 1:
            raise SelectorError(f"values: Invalid value: [{_go_list(values)}]: for 'Gt', 'Lt' operators, exactly one value is required")
        if _integer(values[0]) is None:
            raise SelectorError(f"values[0]: Invalid value: {_quote(values[0])}: for 'Gt', 'Lt' operators, the value must be an integer")
    for position, value in enumerate(values):
        for message in names.label_value(value):
            raise SelectorError(f"values[{position}][{key}]: Invalid value: {_quote(value)}: {message}")


_LONGEST_INTEGER = 64
_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def from_label_selector(selector: Object | None) -> Selector:
    """A `LabelSelector` object: absent selects nothing, empty selects everything. Raises SelectorError."""
    if selector is None:
        return NOTHING
    wanted = [requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f"{_quote(expression.get('operator', ''))} is not a valid label selector operator")
        wanted.append(requirement(expression.get("key", ""), operator, expression.get("values") or ()))
    return Selector(tuple(sorted(wanted, key=lambda each: each.key)))


_TOKEN = re.compile(r"[ \t\r\n]*(?:([=!(),<>]+)|([^ \t\r\n=!(),<>]+)|$)")
_SYMBOLS = {"=", "==", "!=", "!", "(", ")", ",", "<", ">"}


def parse_labels(text: str) -> Selector:
    """`a=b,c in (x,y),!d,e!=f,g>1`; raises SelectorError."""
    if not text.strip():
        return EVERYTHING
    return Selector(tuple(sorted(_Parser(text).parse(), key=lambda each: each.key)))


class _Token(NamedTuple):
    text: str
    symbol: bool


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    for symbols, word in _TOKEN.findall(text):
        if word:
            found.append(_Token(word, False))
        start = 0
        while start < len(symbols):
            end = start + (2 if symbols[start : start + 2] in _SYMBOLS else 1)
            found.append(_Token(symbols[start:end], True))
            start = end
    return found


class _Parser:
    """Recursive descent over tokens; the end is a token with empty text."""

    END = _Token("", True)

    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.position = 0

    def peek(self) -> _Token:
        return self.tokens[self.position] if self.position < len(self.tokens) else self.END

    def take(self) -> _Token:
        token = self.peek()
        self.position += 1
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            token = self.peek()
            if not token.text:
                return found
            if token.symbol and token.text != "!":
                raise SelectorError(f"found '{token.text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            self.separator()

    def separator(self) -> None:
        token = self.take()
        if not token.text:
            return
        if not token.symbol or token.text != ",":
            raise SelectorError(f"found '{token.text}', expected: ',' or 'end of string'")
        following = self.peek()
        if following.symbol and following.text != "!":
            raise SelectorError(f"found '{following.text}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        absent = self.peek().symbol and self.peek().text == "!"
        if absent:
            self.take()
        key = self.take()
        if key.symbol:
            raise SelectorError(f"found '{key.text}', expected: identifier")
        if absent:
            return requirement(key.text, "!")
        if self.ends():
            return requirement(key.text, "exists")
        _check_key(key.text)
        operator = self.operator()
        return requirement(key.text, operator, self.values() if operator in ("in", "notin") else self.value())

    def ends(self) -> bool:
        """Whether no more belongs to this requirement."""
        token = self.peek()
        return token.symbol and token.text in ("", ",")

    def operator(self) -> str:
        token = self.take()
        if token.text in ("=", "==", "!=", "in", "notin"):
            return token.text
        if token.symbol and token.text in ("<", ">"):
            return "gt" if token.text == ">" else "lt"
        raise SelectorError(f"found '{token.text}', expected: in, notin, =, ==, !=, gt, lt")

    def value(self) -> list[str]:
        if self.ends():
            return [""]
        token = self.take()
        if token.symbol:
            raise SelectorError(f"found '{token.text}', expected: identifier")
        return [token.text]

    def values(self) -> list[str]:
        opening = self.take()
        if opening != _Token("(", True):
            raise SelectorError(f"found '{opening.text}' expected: '('")
        found = [""]
        fresh = True
        while True:
            token = self.take()
            if token == _Token(")", True):
                return found
            if token == _Token(",", True):
                found.append("")
                fresh = True
            elif token.symbol or not fresh:
                raise SelectorError(f"found '{token.text}', expected: ',', or identifier" if token.symbol else _wanted_end(token.text))
            else:
                found[-1] = token.text
                fresh = False


def _wanted_end(text: str) -> str:
    return f"found '{text}', expected: ',' or ')'"


class FieldRequirement(NamedTuple):
    """operator: `=` or `!=`."""

    field: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    requirements: tuple[FieldRequirement, ...] = ()
    _values: dict[tuple[str, bool], set[str]] | None = field(default=None, init=False, compare=False, repr=False)

    def matches(self, fields: Mapping[str, Any]) -> bool:
        """fields: the object's selectable fields; one that is absent counts as empty."""
        for (name, is_wanted), values in self._by_field().items():
            found = fields.get(name, "")
            if (len(values) > 1 or found not in values) if is_wanted else found in values:
                return False
        return True

    def _by_field(self) -> dict[tuple[str, bool], set[str]]:
        """The values that each field must have, all of them at once, or none of them: there are few fields, whatever is asked of them."""
        if self._values is None:
            found: dict[tuple[str, bool], set[str]] = {}
            for name, operator, value in self.requirements:
                found.setdefault((name, operator == "="), set()).add(value)
            object.__setattr__(self, "_values", found)
        return self._values or {}

    def exact(self, field: str) -> str | None:
        """The one value the field must have, when the selector says so."""
        return next((each.value for each in self.requirements if each.field == field and each.operator == "="), None)

    @property
    def is_everything(self) -> bool:
        return not self.requirements

    def __str__(self) -> str:
        return ",".join(f"{field}{operator}{_escape(value)}" for field, operator, value in self.requirements)


_TERM = re.compile(r"(?s)(?:[^\\,]|\\.|\\$)*")
_OPERATOR = re.compile(r"(?s)((?:[^\\=!]|\\.|!(?!=))*?)(!=|==|=)(.*)")


def parse_fields(text: str) -> FieldSelector:
    """`metadata.name=x,status.phase!=Running`, with `\\`, `,` and `=` escaped by a backslash in values; raises SelectorError."""
    terms = [term for term in _split_terms(text) if term]
    return FieldSelector(tuple(_field_requirement(text, term) for term in terms))


def _split_terms(text: str) -> list[str]:
    found, position = [], 0
    while position <= len(text):
        match = _TERM.match(text, position)
        assert match is not None
        found.append(match.group())
        position = match.end() + 1
    return found


def _field_requirement(text: str, term: str) -> FieldRequirement:
    match = _OPERATOR.fullmatch(term)
    if match is None:
        raise SelectorError(f"invalid selector: '{text}'; can't understand '{term}'")
    field, operator, value = match.groups()
    return FieldRequirement(field, "!=" if operator == "!=" else "=", _unescape(value))


def _unescape(value: str) -> str:
    if not any(mark in value for mark in "\\,="):
        return value
    found, marks = [], iter(value)
    for mark in marks:
        if mark == "\\":
            escaped = next(marks, None)
            if escaped is None or escaped not in "\\,=":
                raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped or ''}")
            found.append(escaped)
        elif mark in ",=":
            raise SelectorError(f"invalid field selector: unescaped character in value: {ord(mark)}")
        else:
            found.append(mark)
    return "".join(found)


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _integer(text: str) -> int | None:
    if len(text) <= _LONGEST_INTEGER and re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return None


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _go_list(values: Iterable[str]) -> str:
    return ", ".join(map(_quote, values))
