"""How large values of a schema can be, by its own bounds and by what fits into one request.

Source: apiserver/pkg/cel/common/schemas.go, limits.go.
"""

from pilothouse.model.cel.names import escaped
from pilothouse.model.cel.values import fields_of, is_map
from pilothouse.model.schema.node import Node

REQUEST_BYTES = 3 * 1024 * 1024
_LONGEST_TEXT = REQUEST_BYTES - 2
_OF_FORMAT = {"duration": 32, "date": 12, "date-time": 32}
_LEAST_OF_FORMAT = {"duration": 3, "date": 12, "date-time": 21}
_LEAST = {"boolean": 4, "number": 1, "integer": 1}
_BYTES_OF_CHARACTER = 4


def most_elements(node: Node) -> int:
    """Items, entries, or bytes of a text; 0 for what has no elements."""
    longest = node.checks.get("maxLength")
    if node.int_or_string:
        return _LONGEST_TEXT if longest is None else max(longest, 0) * _BYTES_OF_CHARACTER
    if node.type == "array" and node.items is not None:
        return _bounded(node, "maxItems", (REQUEST_BYTES - 2) // (least_bytes(node.items, is_resource=node.items.embedded) + 1))
    if is_map(node) and node.additional is not None:
        return _bounded(
            node, "maxProperties", (REQUEST_BYTES - 2) // (least_bytes(node.additional, is_resource=node.additional.embedded) + 6)
        )
    return _longest_text(node, longest) if node.type == "string" else 0


def _bounded(node: Node, keyword: str, otherwise: int) -> int:
    stated = node.checks.get(keyword)
    return otherwise if stated is None else max(stated, 0)


def _longest_text(node: Node, stated: int | None) -> int:
    if node.format in _OF_FORMAT:
        return _OF_FORMAT[node.format]
    if node.format == "byte":
        return _LONGEST_TEXT if stated is None else max(stated, 0)
    if stated is not None:
        return max(stated, 0) * _BYTES_OF_CHARACTER
    if node.enum:
        return max((len(each.encode()) for each in node.enum if isinstance(each, str)), default=0)
    return _LONGEST_TEXT


def least_bytes(node: Node, *, is_resource: bool = False) -> int:
    """Of a value as JSON."""
    if node.int_or_string:
        return 1
    if node.type == "string":
        return _LEAST_OF_FORMAT.get(node.format, 2)
    if node.type != "object" or is_map(node):
        return _LEAST.get(node.type, 2)
    needed = 2
    for name, child in fields_of(node, is_resource=is_resource).items():
        if name in node.required and (child.default is None or child.default[0] is None):
            needed += len(name.encode()) + least_bytes(child, is_resource=child.embedded) + 4
    return needed


def most_occurrences(node: Node, *, is_resource: bool = False) -> int:
    """How often values of the schema can be in one request."""
    return REQUEST_BYTES // (least_bytes(node, is_resource=is_resource) + 1)


def child_of(node: Node, step: str, *, is_resource: bool) -> Node | None:
    """The schema of a field by its name in rules, of `@items` and of `@values`; None where nothing is known."""
    if step == "@items":
        return node.items if node.type == "array" and not node.int_or_string else None
    if step == "@values":
        return node.additional if is_map(node) else None
    if node.type != "object" or is_map(node):
        return None
    return next((child for name, child in fields_of(node, is_resource=is_resource).items() if escaped(name) == step), None)
