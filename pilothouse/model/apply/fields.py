"""Which fields an object sets, and whether it has the shape of its schema at all."""

from typing import Any

from pilothouse.model.apply import fieldset
from pilothouse.model.apply.errors import ApplyError
from pilothouse.model.apply.fieldset import FieldSet, field
from pilothouse.model.apply.shape import Shape, child, element, elements, item, shape
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node

_WANTED = {"object": "map", "array": "list"}


def fields_of(value: Object, node: Node) -> FieldSet:
    """Of a whole object of the schema's shape."""
    return _fields(value, node) or {}


def check(value: Any, node: Node, path: str = "") -> None:
    """Raises ApplyError for a configuration with unknown fields, values of another kind, or elements that cannot be told apart.

    Whether values are valid is asked when the merged object is written.
    """
    _check_kind(value, node, path)
    if isinstance(value, dict):
        is_closed = bool(node.properties) and node.additional is None and not node.preserve_unknown
        for name, each in value.items():
            if is_closed and name not in node.properties:
                raise ApplyError(f"{path}.{name}: field not declared in schema")
            check(each, child(node, name), f"{path}.{name}")
    elif shape(node, value) is Shape.LIST:
        _check_elements(value, node, path)
    elif isinstance(value, list):
        for position, each in enumerate(value):
            check(each, item(node), f"{path}[{position}]")


def _check_elements(value: list[Any], node: Node, path: str) -> None:
    seen = set()
    for position, each in enumerate(value):
        try:
            name = element(node, each)
        except ValueError as error:
            raise ApplyError(f"{path}: element {position}: {error}") from None
        if name in seen:
            raise ApplyError(f"{path}: duplicate entries for key {fieldset.element_text(name)}")
        seen.add(name)
        check(each, item(node), path + fieldset.element_text(name))


def _fields(value: Any, node: Node) -> FieldSet | None:
    """What is set at and below this place; None for a container without anything in it, whose owner is decided where it stands."""
    found = shape(node, value)
    if found is Shape.LEAF:
        return None if value is None else {}
    return (_of_map if found is Shape.MAP else _of_list)(value, node) or None


def _of_map(value: Object, node: Node) -> FieldSet:
    found: FieldSet = {}
    for name, each in value.items():
        below = _fields(each, child(node, name))
        is_own = each is None or each == {} or name not in node.properties
        own = {} if below == {} else fieldset.node(below or {}, is_member=is_own)
        if own is not None:
            found[field(name)] = own
    return found


def _of_list(value: list[Any], node: Node) -> FieldSet:
    found: FieldSet = {}
    for name, each in elements(node, value):
        own = fieldset.node(_fields(each, item(node)) or {}, is_member=True)
        found[name] = fieldset.union(found, {name: own})[name] if name in found else own
    return found


def _check_kind(value: Any, node: Node, path: str) -> None:
    if value is None or node.int_or_string or not node.type:
        return
    wanted = _WANTED.get(node.type, "scalar")
    got = "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "scalar"
    is_other_scalar = node.type == "string" and not node.format and wanted == got and not isinstance(value, str)
    if got != wanted or is_other_scalar:
        raise ApplyError(f"{path}: expected {node.type if wanted == 'scalar' else wanted}, got {_shown(value)}")


def _shown(value: Any) -> str:
    return "a map" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"{value!r}"
