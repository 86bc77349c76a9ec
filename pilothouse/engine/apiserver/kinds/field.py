"""Causes as upstream words them: one function for each type of field error, and how a bad value is shown inside a message.

Paths are plain strings (`spec.containers[0].name`), composed where they are needed: on the hot path nothing is wrong and an
f-string is the cheapest path there is.
Source: apimachinery/pkg/util/validation/field/errors.go.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from pilothouse.model.errors import MOST_CAUSES, Cause
from pilothouse.model.json import dumps

T = TypeVar("T")

IMMUTABLE = "field is immutable"


_SHOWN_CHARACTERS = 512
_PART = 8


def shown(value: Any) -> str:
    """A value inside a message; of a large one only the first parts are looked at, whatever its size."""
    if isinstance(value, str):
        return dumps(_cut(value)).decode()
    if value is None or isinstance(value, dict | list | tuple):
        return dumps(_Excerpt().of(value)).decode()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} ..."


class _Excerpt:
    """Copies the start of a value, until so many characters are used up."""

    def __init__(self) -> None:
        self._left = _SHOWN_CHARACTERS

    def of(self, value: Any) -> Any:
        self._left -= _PART + (len(value) if isinstance(value, str) else 0)
        if isinstance(value, str):
            return _cut(value)
        if isinstance(value, dict):
            return {_cut(key): self.of(part) for key, part in self._while_left(value.items())}
        if isinstance(value, list | tuple):
            return [self.of(part) for part in self._while_left(value)]
        return value

    def _while_left(self, parts: Iterable[T]) -> Iterator[T]:
        for part in parts:
            if self._left <= 0:
                return
            yield part


def until_enough(causes: list[Cause], values: Iterable[T]) -> Iterator[T]:
    """The values one by one, until there are as many causes as an answer shows: the rest of a long list is not looked at."""
    for value in values:
        if len(causes) > MOST_CAUSES:
            return
        yield value


def bounded(causes: list[Cause], path: str, values: Sequence[T], most: int) -> Iterator[T]:
    """`until_enough`, of a list that must not be longer: if it is, a cause says so and none of it is looked at."""
    if len(values) > most:
        causes.append(too_many(path, len(values), most))
        return iter(())
    return until_enough(causes, values)


class Unique:
    """The values of one list, to tell those that come again. seen: values that are taken already."""

    def __init__(self, seen: Iterable[Hashable] = ()) -> None:
        self._seen = set(seen)

    def repeats(self, value: Hashable) -> bool:
        """Whether the value has come before."""
        if value in self._seen:
            return True
        self._seen.add(value)
        return False

    def check(self, path: str, value: Hashable, *, shown: Any = None, detail: str = "") -> list[Cause]:
        """A cause for a value that has come before. shown: what its message names, None for the value itself."""
        return [duplicate(path, value if shown is None else shown, detail)] if self.repeats(value) else []


def child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _detailed(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def invalid(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, "FieldValueInvalid", _detailed(f"Invalid value: {shown(value)}", detail))


def unshown(path: str, detail: str) -> Cause:
    """An invalid value that the message does not show."""
    return Cause(path, "FieldValueInvalid", f"Invalid value: {detail}")


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, "FieldValueRequired", _detailed("Required value", detail))


def not_supported(path: str, value: Any, supported: Iterable[str]) -> Cause:
    detail = "supported values: " + ", ".join(f'"{each}"' for each in supported)
    return Cause(path, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: {detail}")


def duplicate(path: str, value: Any, detail: str = "") -> Cause:
    return Cause(path, "FieldValueDuplicate", _detailed(f"Duplicate value: {shown(value)}", detail))


def forbidden(path: str, detail: str) -> Cause:
    return Cause(path, "FieldValueForbidden", f"Forbidden: {detail}")


def not_found(path: str, value: Any, detail: str = "") -> Cause:
    return Cause(path, "FieldValueNotFound", _detailed(f"Not found: {shown(value)}", detail))


def too_long(path: str, limit_bytes: int) -> Cause:
    return Cause(path, "FieldValueTooLong", f"Too long: may not be more than {limit_bytes} bytes")


def too_many(path: str, count: int, limit: int) -> Cause:
    return Cause(path, "FieldValueTooMany", f"Too many: {count}: must have at most {limit} items")


def one_of(path: str, value: Any, supported: Sequence[str]) -> list[Cause]:
    """A value that must be there, and be one of those supported."""
    if value in supported:
        return []
    return [not_supported(path, value, supported) if value else required(path)]


def stated_one_of(path: str, value: str, supported: Sequence[str]) -> list[Cause]:
    """The same, of a field about which upstream says what it may be also where it is missing."""
    if not value:
        return [required(path, "valid values: [" + " ".join(f'"{each}"' for each in supported) + "]")]
    return one_of(path, value, supported)


def none_or_one_of(path: str, value: Any, supported: Sequence[str]) -> list[Cause]:
    return [] if value is None or value in supported else [not_supported(path, value, supported)]


def immutable(path: str, new: Any, old: Any) -> list[Cause]:
    """Nothing when both are equal."""
    return [] if new == old else [invalid(path, new, IMMUTABLE)]


def each_invalid(path: str, value: Any, messages: Iterable[str]) -> list[Cause]:
    return [invalid(path, value, message) for message in messages]


def non_negative(path: str, value: int | None) -> list[Cause]:
    if value is None or value >= 0:
        return []
    return [invalid(path, value, "must be greater than or equal to 0")]
