"""What the rules of one schema may cost together, and how often the values that they are about can be in one object.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation/cel_validation.go.
"""

from dataclasses import dataclass, field
from typing import Any

from pilothouse.engine.apiserver.kinds.field import forbidden
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

EXPRESSION_MAX, TOTAL_MAX = 10_000_000, 100_000_000
_MOST = 2**64 - 1
_NAMED = 4
_CONTRIBUTED = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
_WAY_OUT = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"


@dataclass(slots=True)
class Total:
    """Of all rules of a schema. noted: paths and costs of those that count."""

    cost: int = 0
    noted: list[tuple[str, int]] = field(default_factory=list)

    def note(self, path: str, cost: int) -> None:
        self.cost = min(self.cost + cost, _MOST)
        if cost >= TOTAL_MAX // 100:
            self.noted = sorted([*self.noted, (path, cost)], key=lambda each: -each[1])[:_NAMED]

    def causes(self, path: str) -> list[Cause]:
        if self.cost <= TOTAL_MAX:
            return []
        whole = exceeded("x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema", self.cost, TOTAL_MAX)
        return [*(forbidden(each, _CONTRIBUTED) for each, _ in self.noted), forbidden(path, whole)]


def exceeded(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100" if factor > 100 else f"{factor:.6f}" if factor < 1.5 else f"{factor:.1f}"
    return f"{what} exceeds budget by factor of {shown}x {_WAY_OUT}"


def occurrences_below(schema: Object, occurrences: int | None) -> int | None:
    """How often each child of a schema's values can be in an object, None for no bound. occurrences: of the values themselves."""
    if occurrences is None:
        return None
    most: Any = 1
    if schema.get("type") == "array":
        most = schema.get("maxItems")
    elif schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        most = schema.get("maxProperties")
    return None if most is None else min(occurrences * max(most, 0), _MOST)
