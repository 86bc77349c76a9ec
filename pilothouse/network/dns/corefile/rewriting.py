"""Names that are looked up in another name's place.

Regular expressions are RE2's, whose time is linear in the name: those that need backtracking are no expressions of it. A name that a
rule makes and that no message can hold is not looked up.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import re2

from pilothouse.network.dns.codec import Name, name_of, text_of

MOST_PATTERN_BYTES = 256
_MEMORY_BYTES = 1 << 18
_GROUP = re.compile(r"\{(\d)\}")
_LONGEST_NAME, _LONGEST_LABEL = 253, 63


class Expression(Protocol):
    def fullmatch(self, text: str) -> "re2._Match[str] | None": ...


class BadPattern(ValueError):
    """The text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """kind: exact, prefix, suffix, substring or regex. goes_on: the rules after this one are applied to what it makes."""

    kind: str
    old: str
    new: str
    goes_on: bool = False
    expression: "re2._Regexp | None" = None

    @staticmethod
    def of(kind: str, old: str, new: str, *, goes_on: bool) -> "Rewrite":
        """Raises BadPattern."""
        if kind == "regex":
            return Rewrite(kind, old, new, goes_on, _compiled(old, new))
        if max(len(old), len(new)) > MOST_PATTERN_BYTES:
            raise BadPattern(f"the old and the new name have at most {MOST_PATTERN_BYTES} bytes")
        return Rewrite(kind, old.lower(), new.lower(), goes_on)

    def apply(self, name: str) -> str | None:
        """name: in lower case, without the dot at its end. None: the rule is not for it."""
        old, new = self.old.strip("."), self.new.strip(".")
        match self.kind:
            case "exact":
                return new if name == old else None
            case "prefix":
                return self.new + name[len(self.old) :] if name.startswith(self.old) else None
            case "suffix":
                return self._with_suffix(name)
            case "substring":
                return name.replace(self.old, self.new) if self.old in name else None
        return self._matched(name)

    def _with_suffix(self, name: str) -> str | None:
        old = self.old.rstrip(".")
        return name[: len(name) - len(old)] + self.new.rstrip(".") if name.endswith(old) else None

    def _matched(self, name: str) -> str | None:
        """Whole names, as users write them: with the dot at the end or without."""
        assert self.expression is not None
        found = self.expression.fullmatch(name) or self.expression.fullmatch(name + ".")
        if found is None:
            return None
        return _GROUP.sub(lambda group: found.group(int(group[1])) or "", self.new)


def _compiled(pattern: str, new: str) -> "re2._Regexp":
    if max(len(pattern.encode()), len(new)) > MOST_PATTERN_BYTES:
        raise BadPattern(f"the expression is longer than {MOST_PATTERN_BYTES} bytes, or what it makes")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    options.case_sensitive = False
    try:
        expression = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise BadPattern(f'"{pattern}" is no regular expression of RE2: {_reason(error)}') from error
    wanted = max((int(number) for number in _GROUP.findall(new)), default=0)
    if wanted > expression.groups:
        raise BadPattern(f'"{new}" names group {{{wanted}}}, and the expression has {expression.groups}')
    return expression


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def rewritten(name: Name, rules: Sequence[Rewrite]) -> Name:
    """The name that is looked up, which may be the same. Raises ValueError for one that no message can hold."""
    text = text_of(name)
    for rule in rules:
        found = rule.apply(text)
        if found is None:
            continue
        text = found.lower().strip(".")
        if len(text) > _LONGEST_NAME:
            raise ValueError(f"{text[:_LONGEST_LABEL]}... is no name")
        if not rule.goes_on:
            break
    if text == text_of(name):
        return name
    new = name_of(text)
    if any(len(label.encode("latin-1")) > _LONGEST_LABEL for label in new):
        raise ValueError(f"{text[:_LONGEST_LABEL]}... is no name")
    return new
