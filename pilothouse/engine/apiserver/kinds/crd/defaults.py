"""Defaults inside a schema must themselves be valid, follow its rules, and hold nothing that would be pruned.

Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go.
"""

from typing import TYPE_CHECKING, Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import copy
from pilothouse.model.schema import Schema
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.structural import prune

if TYPE_CHECKING:
    from pilothouse.model.cel.validation import Rules

_NOWHERE = ("", "<nil>")


def validate_defaults(node: Node, path: str) -> list[Cause]:
    """node: the root of the schema. Not of what is inside of maps: there are no defaults."""
    return _Defaults().below(node, path, is_root=True)


class _Defaults:
    """Those of one schema, whose rules are compiled once however many defaults they are for."""

    def __init__(self) -> None:
        self._rules: Rules | None = None

    def below(self, node: Node, path: str, *, is_root: bool = False) -> list[Cause]:
        has_one = node.default is not None and node.default[0] is not None
        causes = self._of(node, f"{path}.default", is_root=is_root) if has_one else []
        if node.items is not None:
            causes += self.below(node.items, f"{path}.items")
        for name, each in node.properties.items():
            causes += self.below(each, f"{path}.properties[{name}]")
        return causes

    def _of(self, node: Node, path: str, *, is_root: bool) -> list[Cause]:
        assert node.default is not None, "asked for nodes with a default only"
        value = node.default[0]
        is_resource = is_root or node.embedded
        causes = _shape(node, value, path, is_resource=is_resource)
        if causes or not node.ruled:
            return causes
        rules = self._rules_of(node)
        return rules.check(value, value, path, is_resource=is_resource) or rules.check(value, None, path, is_resource=is_resource)

    def _rules_of(self, node: Node) -> "Rules":
        if self._rules is None:
            # WHY here: the language's implementation takes memory that a cluster without rules need not spend.
            from pilothouse.model.cel.validation import Rules

            self._rules = Rules(node)
        return self._rules.at(node)


def _shape(node: Node, value: Any, path: str, *, is_resource: bool) -> list[Cause]:
    causes: list[Cause] = []
    pruned = copy(value)
    prune(node, pruned, is_resource=is_resource)
    if pruned != value:
        causes.append(field.invalid(path, value, "must not have unknown fields"))
    for cause in Schema(node).validate(value):
        if cause.field not in _NOWHERE or not causes:
            at = path if cause.field in _NOWHERE else f"{path}.{cause.field}"
            causes.append(Cause(at, cause.reason, cause.message))
    return causes
