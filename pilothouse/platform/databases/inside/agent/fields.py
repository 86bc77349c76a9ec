"""Typed fields of a JSON document from outside."""

import json
from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T", bound=object)


class Malformed(ValueError):
    """A document that is not as it must be; the message names the field."""


class Fields:
    """An object of a document. path: where it stands in it, for messages; "" for the document itself."""

    def __init__(self, value: object, path: str = "") -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{path or 'the document'} is no object")
        self._value: Mapping[str, object] = value
        self._path = path

    @classmethod
    def parse(cls, text: bytes) -> "Fields":
        try:
            return cls(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise Malformed(str(error) if isinstance(error, Malformed) else "the body is no JSON") from error

    def text(self, name: str, default: str | None = None) -> str:
        return self._get(name, str, default)

    def number(self, name: str, default: int | None = None) -> int:
        found = self._get(name, int, default)
        if isinstance(found, bool):
            raise Malformed(f"{self._at(name)} is no number")
        return found

    def flag(self, name: str) -> bool:
        return self._get(name, bool, False)

    def part(self, name: str) -> "Fields | None":
        value = self._value.get(name)
        return None if value is None else Fields(value, self._at(name))

    def parts(self, name: str) -> "Iterator[Fields]":
        for i, value in enumerate(self._list(name)):
            yield Fields(value, f"{self._at(name)}[{i}]")

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(str(value) for value in self._list(name))

    def pairs(self, name: str) -> dict[str, str]:
        part = self._value.get(name) or {}
        if not isinstance(part, dict):
            raise Malformed(f"{self._at(name)} is no object")
        return {str(key): str(value) for key, value in part.items()}

    def _list(self, name: str) -> list[object]:
        value = self._value.get(name) or []
        if not isinstance(value, list):
            raise Malformed(f"{self._at(name)} is no list")
        return value

    def _get(self, name: str, kind: type[T], default: T | None) -> T:
        value = self._value.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, kind):
            raise Malformed(f"{self._at(name)} is missing or not of the type {kind.__name__}")
        return value

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
