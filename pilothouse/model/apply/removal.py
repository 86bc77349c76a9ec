"""Takes fields out of an object."""

from typing import Any

from pilothouse.model.apply import fieldset
from pilothouse.model.apply.fieldset import FieldSet, field
from pilothouse.model.apply.shape import Shape, child, elements, item, shape
from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node


def remove(value: Object, gone: FieldSet, schema: Node) -> Object:
    """Without the fields of the set. A container from which everything goes is gone as well. The argument is not changed."""
    return _remove(value, gone, schema) or {}


def _remove(value: Any, gone: FieldSet, schema: Node) -> Any:
    found = shape(schema, value)
    if found is Shape.LEAF:
        return value if not isinstance(value, dict | list) else None
    return (_from_map if found is Shape.MAP else _from_list)(value, gone, schema) or None


def _from_map(value: Object, gone: FieldSet, schema: Node) -> Object:
    kept: Object = {}
    for name, each in value.items():
        below = gone.get(field(name))
        if below is None:
            kept[name] = each
        elif not fieldset.is_member(below) and (left := _remove(each, below, child(schema, name))) is not None:
            kept[name] = left
    return kept


def _from_list(value: list[Any], gone: FieldSet, schema: Node) -> list[Any]:
    kept = []
    for name, each in elements(schema, value):
        below = gone.get(name)
        if below is None:
            kept.append(each)
        elif not fieldset.is_member(below) and (left := _remove(each, below, item(schema))) is not None:
            kept.append(left)
    return kept


def with_named(found: FieldSet, schema: Node) -> FieldSet:
    """The set with every declared field on the way to its elements: such a field goes with the last that is below it."""
    named: FieldSet = {}
    for name, below in found.items():
        if name == fieldset.SELF:
            named[name] = below
            continue
        own = name.removeprefix("f:")
        is_declared = name.startswith("f:") and own in schema.properties
        next_schema = child(schema, own) if name.startswith("f:") else item(schema)
        children = with_named(fieldset.below(below), next_schema)
        named[name] = fieldset.node(children, is_member=fieldset.is_member(below) or (is_declared and bool(children)))
    return named
