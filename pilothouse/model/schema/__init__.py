"""Schemas: of the built-in kinds (Catalog) and of custom resources (from_crd)."""

from typing import Any, NamedTuple

from pilothouse.model.errors import Cause
from pilothouse.model.json import Object


class DecodeError(ValueError):
    """message: as upstream's decoder says it, without the "X in version Y cannot be handled as" in front."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Decoded(NamedTuple):
    value: Object  # a fresh copy, normalised as Go would re-encode it
    unknown: list[str]  # paths of dropped fields, as in `unknown field "spec.foo"`


class Schema:
    def decode(self, value: Any) -> Decoded:
        raise NotImplementedError

    def prune(self, value: Object) -> list[str]:
        raise NotImplementedError

    def default(self, value: Object) -> None:
        raise NotImplementedError

    def validate(self, value: Any) -> list[Cause]:
        raise NotImplementedError


class Catalog:
    @classmethod
    def load(cls, cache_dir: str) -> "Catalog":
        raise NotImplementedError

    def schema(self, definition: str) -> Schema:
        raise NotImplementedError


def from_crd(openapi: Object) -> Schema:
    raise NotImplementedError
