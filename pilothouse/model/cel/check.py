"""What the schema says about a rule before any value does: fields that no value can have.

Types of expressions are known as far as they come from the schema; anything else may be anything here.
Source: apiextensions-apiserver/pkg/apiserver/schema/cel/model/schemas.go, for what rules see of a schema.
"""

from pilothouse.model.cel.errors import RuleProblem
from pilothouse.model.cel.names import escaped
from pilothouse.model.cel.tree import Expr, Tree
from pilothouse.model.cel.values import field_of, is_map
from pilothouse.model.schema.node import Node

_TEXT = Node(type="string")
_SCALARS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
HAS_OLD = "hasOldSelf"
"""Declared for the program's own use, not for rules."""

Scope = dict[str, tuple[Node, bool] | None]
Known = tuple[Node, bool] | None
"""A schema, and whether it is that of a resource's root; None when nothing is known."""


class Checker:
    def __init__(self, tree: Tree, text: str) -> None:
        self._tree = tree
        self._text = text

    def check(self, scope: Scope) -> Known:
        """What the whole rule comes to, as far as it is known. Raises RuleProblem for the first field that does not exist."""
        return self._infer(self._tree.root, scope)

    def _infer(self, expr: Expr, scope: Scope) -> Known:
        if expr.kind == "comprehension":
            return self._comprehension(expr, scope)
        known = [self._infer(each, scope) for each in expr.below]
        if expr.kind == "ident":
            if expr.name == HAS_OLD and HAS_OLD not in scope:
                raise self._problem(expr, f"undeclared reference to '{HAS_OLD}' (in container '')")
            return scope.get(expr.name)
        if expr.kind == "select":
            return self._field(expr, known[0], expr.name)
        if expr.kind == "call" and expr.name == "_[_]":
            return _element(known[0])
        if expr.kind == "call" and expr.name == "_?._" and expr.below[1].type == "string":
            self._field(expr, known[0], expr.below[1].text)
        return None

    def _comprehension(self, expr: Expr, scope: Scope) -> Known:
        source = self._infer(expr.below[0], scope)
        inner: Scope = {**scope, **dict.fromkeys(expr.variables)}
        if len(expr.variables) == 1:
            inner[expr.variables[0]] = (_TEXT, False) if source is not None and is_map(source[0]) else _element(source)
        for each in expr.below[1:]:
            self._infer(each, inner)
        return None

    def _field(self, expr: Expr, known: Known, name: str) -> Known:
        if known is None:
            return None
        node, is_resource = known
        if node.type in _SCALARS and not node.int_or_string:
            if not node.format:
                raise self._problem(expr, f"type '{_SCALARS[node.type]}' does not support field selection")
            return None
        if node.type != "object":
            return None
        if is_map(node):
            return _element(known)
        for field in (*node.properties, *(("apiVersion", "kind", "metadata") if is_resource else ())):
            found = field_of(node, field, is_resource=is_resource) if escaped(field) == name else None
            if found is not None:
                return None if found.int_or_string else (found, found.embedded)
        raise self._problem(expr, f"undefined field '{name}'")

    def _problem(self, expr: Expr, why: str) -> RuleProblem:
        """In the form of cel-go: where, what, and the line with a mark below."""
        position = self._tree.positions.get(expr.id, 0)
        before = self._text[:position]
        line, column = before.count("\n"), position - (before.rfind("\n") + 1)
        shown = self._text.split("\n")[line]
        return RuleProblem(f"compilation failed: ERROR: <input>:{line + 1}:{column + 1}: {why}\n | {shown}\n | {'.' * column}^")


def _element(known: Known) -> Known:
    if known is None:
        return None
    node = known[0]
    child = node.items if node.type == "array" else node.additional if is_map(node) else None
    return None if child is None or child.int_or_string or not child.type else (child, child.embedded)
