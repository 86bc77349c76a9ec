"""Strategic merge patch."""

from typing import Any

from pilothouse.model.schema import Schema


def apply(document: Any, patch: Any, schema: Schema) -> Any:
    raise NotImplementedError
