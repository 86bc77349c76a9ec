"""How the value at a place of a schema is owned: as a whole, or field by field, element by element."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

from pilothouse.model.apply import fieldset
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node

ABSENT: Any = object()
"""In place of a value that is not there, which null is not."""
_ANY = Node(preserve_unknown=True)


class Shape(Enum):
    LEAF = "owned as a whole"
    MAP = "owned field by field"
    LIST = "owned element by element"


def shape(node: Node, value: Any) -> Shape:
    if isinstance(value, dict):
        is_opaque = bool(node.name) and not node.properties and node.additional is None
        return Shape.LEAF if node.map_type == "atomic" or is_opaque else Shape.MAP
    if isinstance(value, list):
        return Shape.LIST if node.list_type in ("set", "map") else Shape.LEAF
    return Shape.LEAF


def common_shape(node: Node, left: Any, right: Any) -> Shape:
    """Of two values, one of which may be absent; null and nothing at all take the other's. Two of different kinds are leaves."""
    if not _says(left):
        return shape(node, right)
    if not _says(right) or type(left) is type(right):
        return shape(node, left)
    return Shape.LEAF


def _says(value: Any) -> bool:
    return value is not ABSENT and value is not None


def child(node: Node, name: str) -> Node:
    return node.properties.get(name) or node.additional or _ANY


def item(node: Node) -> Node:
    return node.items or _ANY


def element(node: Node, value: Any) -> str:
    """The path element of a list's element. Raises ValueError, with the reason, for one that has no keys."""
    if node.list_type == "set":
        return fieldset.value(value)
    if not isinstance(value, dict):
        raise ValueError("associative list with keys may not have non-map elements")
    return fieldset.key({name: _key(node, value, name) for name in node.list_map_keys})


def _key(node: Node, value: Object, name: str) -> Any:
    found = value.get(name)
    if found is not None:
        return found
    default = item(node).properties.get(name, _ANY).default
    if default is None:
        raise ValueError(f'associative list with keys has an element that omits key field "{name}" (and doesn\'t have default value)')
    return default[0]


def elements(node: Node, values: Any) -> Iterator[tuple[str, Any]]:
    """The elements of an associative list with their path elements: of one that was stored without keys, its position."""
    for position, each in enumerate(values if isinstance(values, list) else ()):
        try:
            name = element(node, each)
        except ValueError:
            name = f"i:{position}"
        yield name, each
