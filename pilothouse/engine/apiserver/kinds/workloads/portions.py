"""Numbers of pods that may be stated as a share of all. Source: pkg/apis/apps/validation, ValidatePositiveIntOrPercent."""

import sys

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.digits import natural
from pilothouse.model.errors import Cause

MOST_PERCENT = 100


def int_or_percent(value: int | str | None, path: str) -> list[Cause]:
    if isinstance(value, str):
        return field.each_invalid(path, value, names.percent(value))
    return field.non_negative(path, value)


def at_most_all(value: int | str | None, path: str) -> list[Cause]:
    """Of a share alone: a number may be more than there are."""
    if isinstance(value, str) and number(value) > MOST_PERCENT:
        return [field.invalid(path, value, "must not be greater than 100%")]
    return []


def number(value: int | str | None) -> int:
    """0 of text that is no percentage; of one with more digits than numbers have here, more than any limit."""
    if not isinstance(value, str):
        return value or 0
    if names.percent(value):
        return 0
    found = natural(value.removesuffix("%"))
    return sys.maxsize if found is None else found
