"""Which fields differ between two states of an object."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pilothouse.model.apply import fieldset
from pilothouse.model.apply.fieldset import SELF, FieldSet, field, node
from pilothouse.model.apply.shape import ABSENT, Shape, child, common_shape, elements, item, shape
from pilothouse.model.json import Object, dumps, same
from pilothouse.model.schema.node import Node


class Comparison(NamedTuple):
    added: FieldSet
    modified: FieldSet
    removed: FieldSet


_Parts = tuple[FieldSet | None, FieldSet | None, FieldSet | None]


def compare(old: Object, new: Object, schema: Node) -> Comparison:
    if not old:
        return Comparison(fieldset.below(_added(new, schema)), {}, {})
    # Most writes change one part of an object; bytes tell sooner than a walk that the others are the same.
    left = {name: value for name, value in old.items() if name not in new or dumps(value) != dumps(new[name])}
    right = {name: value for name, value in new.items() if name not in old or name in left}
    added, modified, removed = _compare(left, right, schema)
    return Comparison(added or {}, modified or {}, removed or {})


def _added(value: Any, schema: Node) -> FieldSet:
    """All of a value that was not there."""
    if not _has_parts(value) or shape(schema, value) is Shape.LEAF:
        return {}
    found: FieldSet = {SELF: {}}
    if isinstance(value, dict):
        for name, each in value.items():
            found[field(name)] = _added(each, child(schema, name))
    else:
        for name, of_key in _by_key(value, schema).items():
            found[name] = {} if len(of_key) > 1 else _added(of_key[0], item(schema))
    return found


def _compare(old: Any, new: Any, schema: Node) -> _Parts:
    if old is ABSENT:
        return _added(new, schema), None, None
    common = common_shape(schema, old, new)
    if common is Shape.LEAF or not (_has_parts(old) or _has_parts(new)):
        if new is ABSENT:
            return None, None, {}
        return None, None if same(old, new) else {}, None
    parts: tuple[FieldSet, FieldSet, FieldSet] = ({}, {}, {})
    for name, left, right, below in _fields(old, new, schema) if common is Shape.MAP else _elements(old, new, schema):
        if left is right:
            continue
        for found, part in zip(_compare(left, right, below), parts, strict=True):
            if found is not None:
                part[name] = found
    added, modified, removed = parts
    return (
        node(added, is_member=False),
        node(modified, is_member=False),
        node(removed, is_member=new is ABSENT),
    )


def _has_parts(value: Any) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _fields(old: Any, new: Any, schema: Node) -> Iterator[tuple[str, Any, Any, Node]]:
    left: Object = old if isinstance(old, dict) else {}
    right: Object = new if isinstance(new, dict) else {}
    for name, value in left.items():
        yield field(name), value, right.get(name, ABSENT), child(schema, name)
    for name, value in right.items():
        if name not in left:
            yield field(name), ABSENT, value, child(schema, name)


def _elements(old: Any, new: Any, schema: Node) -> Iterator[tuple[str, Any, Any, Node]]:
    """Elements that have the same keys twice are compared as one leaf."""
    left, right = _by_key(old, schema), _by_key(new, schema)
    for name in dict.fromkeys([*left, *right]):
        before, after = left.get(name, []), right.get(name, [])
        if len(before) > 1 or len(after) > 1:
            yield name, before or ABSENT, after or ABSENT, _WHOLE
        else:
            yield name, before[0] if before else ABSENT, after[0] if after else ABSENT, item(schema)


_WHOLE = Node(type="array", list_type="atomic")


def _by_key(values: Any, schema: Node) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, each in elements(schema, values):
        found.setdefault(name, []).append(each)
    return found
