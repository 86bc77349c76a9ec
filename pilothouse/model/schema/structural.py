"""Pruning and defaulting of custom resources by their structural schema, in place.

Source: apiextensions-apiserver/pkg/apiserver/schema/{pruning,defaulting}.
"""

from collections.abc import Iterator
from typing import Any

from pilothouse.model.errors import RequestTooLarge
from pilothouse.model.json import Object, copy, dumps
from pilothouse.model.schema.node import Node

OBJECT_BYTES = 1536 * 1024
"""Of the largest object that is stored."""
_RESOURCE_FIELDS = frozenset({"apiVersion", "kind", "metadata"})


def prune(node: Node, value: Any, path: str = "", *, is_resource: bool = True) -> list[str]:
    """Drop what the schema does not specify; returns the paths. is_resource: type and metadata are left to others."""
    if type(value) is list:
        return _prune_list(node, value, path)
    if type(value) is not dict:
        return []
    found = []
    for key in list(value):
        if is_resource and key in _RESOURCE_FIELDS:
            continue
        below = f"{path}.{key}" if path else key
        child = node.properties.get(key) or node.additional
        if child is not None:
            found += prune(child, value[key], below, is_resource=child.embedded)
        elif not node.preserve_unknown:
            del value[key]
            found.append(below)
    return found


def _prune_list(node: Node, value: list[Any], path: str) -> list[str]:
    item = node.items
    if item is None:
        return []
    return [found for position, each in enumerate(value) for found in prune(item, each, f"{path}[{position}]", is_resource=item.embedded)]


def prune_nulls(node: Node, value: Any) -> None:
    """Drop nulls of fields that are not nullable: they then get their default, or stay away."""
    if type(value) is list:
        for each in value:
            if node.items is not None:
                prune_nulls(node.items, each)
    elif type(value) is dict:
        for key in list(value):
            child = node.properties.get(key)
            if value[key] is None and child is not None and not child.nullable:
                del value[key]
            elif child is not None or node.additional is not None:
                prune_nulls(child or node.additional or node, value[key])


def default(node: Node, value: Any) -> None:
    """Fill in defaults, outermost first: a default that is an object has its own fields defaulted, too.

    Raises RequestTooLarge when that makes more of the value than can be stored.
    """
    _Defaulting().fill(node, value)


class _Defaulting:
    """Of one value."""

    def __init__(self) -> None:
        self._left_bytes = OBJECT_BYTES

    def fill(self, node: Node, value: Any) -> None:
        if type(value) is list:
            if node.items is not None:
                for each in value:
                    self.fill(node.items, each)
        elif type(value) is dict:
            self._fill_fields(node, value)

    def _fill_fields(self, node: Node, value: Object) -> None:
        if node.defaulted is None:
            node.defaulted = tuple((key, each.default[0]) for key, each in node.properties.items() if each.default is not None)
        for key, found in node.defaulted:
            if key not in value:
                self._left_bytes -= len(key) + len(dumps(found))
                if self._left_bytes < 0:
                    raise RequestTooLarge(f"with the defaults of its schema the object would be larger than {OBJECT_BYTES} bytes")
                value[key] = copy(found)
        for key, each in value.items():
            child = node.properties.get(key) or node.additional
            if child is not None:
                self.fill(child, each)


def whole_numbers(value: Any) -> None:
    """Write whole floats as integers, in place, as Go does (`5.0` is stored and answered as `5`)."""
    pending = [value]
    while pending:
        current = pending.pop()
        for key, each in current.items() if type(current) is dict else enumerate(current) if type(current) is list else ():
            if type(each) is float and abs(each) < 1e21 and each.is_integer():
                current[key] = int(each)
            elif type(each) is dict or type(each) is list:
                pending.append(each)


def embedded_metadata(node: Node, value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The path and value of the metadata of every embedded resource below the root."""
    if type(value) is list and node.items is not None:
        for position, each in enumerate(value):
            yield from _embedded(node.items, each, f"{path}[{position}]")
    elif type(value) is dict:
        for key, each in value.items():
            child = node.properties.get(key) or node.additional
            if child is not None:
                yield from _embedded(child, each, f"{path}.{key}" if path else key)


def _embedded(node: Node, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if node.embedded and type(value) is dict and "metadata" in value:
        yield f"{path}.metadata", value["metadata"]
    yield from embedded_metadata(node, value, path)
