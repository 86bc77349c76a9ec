"""Reads files of configuration field by field. What is wrong with one is said in one sentence that names the place.

Unlike upstream's, a field that does not exist is refused: one that is misspelt would do something else than was meant.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pilothouse.model.body import YAMLProblem, loads_yaml
from pilothouse.model.json import Object


class FieldError(ValueError):
    """One sentence about what is wrong with a value, and where."""


def document(data: bytes, largest_bytes: int) -> "Fields":
    """Of a file in YAML, which is one mapping. Raises FieldError."""
    if len(data) > largest_bytes:
        raise FieldError(f"it is larger than {largest_bytes >> 20} MiB")
    try:
        value, doubts = loads_yaml(data)
    except (YAMLProblem, ValueError) as error:
        raise FieldError(f"it is no YAML: {error}") from error
    if doubts:
        raise FieldError(doubts[0])
    return Fields(value, "")


class Fields:
    """A mapping at a path of a document, "" for all of it. What a method does not find it returns as empty, or as `otherwise` says.

    All raise FieldError for a value of another type.
    """

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise FieldError(f"{path or 'the file'} has to be a mapping of fields")
        self.values: Object = value
        self.path = path

    def at(self, name: str) -> str:
        """The path of a field of it."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def allow(self, known: Sequence[str]) -> None:
        """Refuses fields of other names."""
        for name in self.values:
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                raise FieldError(f"there is no field {self.at(str(name))}: {meant}")

    def flag(self, name: str, *, otherwise: bool) -> bool:
        value = self.values.get(name)
        if value is None:
            return otherwise
        if not isinstance(value, bool):
            raise FieldError(f"{self.at(name)} is true or false, not {value!r}")
        return value

    def number(self, name: str, least: int, most: int, *, otherwise: int) -> int:
        value = self.values.get(name)
        if value is None:
            return otherwise
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise FieldError(f"{self.at(name)} is a whole number from {least} to {most}, not {value!r}")
        return value

    def text(self, name: str, *, otherwise: str = "") -> str:
        value = self.values.get(name)
        if value is None:
            return otherwise
        if not isinstance(value, str):
            raise FieldError(f"{self.at(name)}: {value!r} has to be a text; put it between quotes")
        return value

    def choice(self, name: str, known: Sequence[str], *, otherwise: str | None = None) -> str:
        """One of the known values, which has to be there unless there is an other."""
        value = self.values.get(name)
        if value is None and otherwise is not None:
            return otherwise
        if value not in known:
            given = "is missing" if value is None else f"cannot be {value!r}"
            raise FieldError(f"{self.at(name)} {given}: it is one of {', '.join(known)}")
        return str(value)

    def list(self, name: str) -> Sequence[Any]:
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            raise FieldError(f"{self.at(name)} has to be a list")
        return value or []

    def texts(self, name: str) -> Sequence[str]:
        found = self.list(name)
        for each in found:
            if not isinstance(each, str):
                raise FieldError(f"{self.at(name)}: {each!r} has to be a text; put it between quotes")
        return found

    def fields(self, name: str) -> "Fields":
        """The mapping of that name; an empty one when there is none."""
        value = self.values.get(name)
        return Fields({} if value is None else value, self.at(name))

    def each(self, name: str) -> "Sequence[Fields]":
        """The mappings of a list."""
        return [Fields(value, f"{self.at(name)}[{number}]") for number, value in enumerate(self.list(name))]
