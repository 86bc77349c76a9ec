"""What is wrong with a rule, or with its evaluation, in the words of upstream's implementation (cel-go)."""

import re

_TRANSLATED = (
    (re.compile(r'Key not found in map : "?(.*?)"?$'), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"modulus by zero"), "modulus by zero"),
    (re.compile(r"No matching overloads found"), "no such overload"),
    (re.compile(r"Applying SELECT to non-message type"), "no such overload"),
)
_STATUS = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")


class RuleProblem(Exception):
    """The rule cannot be compiled; the message is what comes after the field's path."""


class EvaluationFailed(Exception):
    """The rule has no answer for this value (`no such key: b`)."""

    @classmethod
    def of(cls, told: str) -> "EvaluationFailed":
        """told: by the implementation."""
        text = without_status(told)
        for pattern, words in _TRANSLATED:
            match = pattern.search(text)
            if match:
                return cls(match.expand(words))
        return cls(text)


class BudgetExceeded(Exception):
    """The rule would take, or has taken, more steps than one rule may."""


def without_status(told: str) -> str:
    return _STATUS.sub("", told)
