"""JSON values as rules see them: typed by the schema, fields escaped, and without what the schema does not specify.

Source: apiextensions-apiserver/pkg/apiserver/schema/cel/{values,model/schemas}.go.
"""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pilothouse.model.cel.names import escaped
from pilothouse.model.durations import duration_ns
from pilothouse.model.schema.node import Node

_INT64 = range(-(2**63), 2**63)
_TEXT = Node(type="string")
_METADATA = Node(type="object", properties={"name": _TEXT, "generateName": _TEXT})
_OF_A_RESOURCE = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA}
_ANY = Node()


class Weight(NamedTuple):
    """longest_text in characters, longest_list in items (fields of an object count alike), parts: all values at any depth."""

    longest_text: int
    longest_list: int
    parts: int = 0


def field_of(node: Node, name: str, *, is_resource: bool) -> Node | None:
    """The schema of an object's field, None when rules do not see it."""
    if is_resource and name in _OF_A_RESOURCE:
        return _OF_A_RESOURCE[name]
    child = node.properties.get(name)
    return child if child is not None and is_visible(child) else None


def fields_of(node: Node, *, is_resource: bool) -> dict[str, Node]:
    """All fields of an object that rules see, by name."""
    found = {name: child for name, child in node.properties.items() if is_visible(child)}
    return found | _OF_A_RESOURCE if is_resource else found


def is_visible(node: Node) -> bool:
    """Whether rules see values of the schema: of what has no type, and of lists and maps of such, they do not."""
    if node.int_or_string:
        return True
    if node.type == "array":
        return node.items is not None and is_visible(node.items)
    if is_map(node) and node.additional is not None:
        return is_visible(node.additional)
    return bool(node.type)


def is_map(node: Node) -> bool:
    return node.additional is not None and not node.properties


def as_cel(node: Node, value: Any, *, is_resource: bool = False) -> Any:
    """is_resource: at the root of an object and of an embedded one, where type and name are in reach, too."""
    match value:
        case dict():
            return _object(node, value, is_resource)
        case list():
            items = node.items or _ANY
            return [as_cel(items, each, is_resource=items.embedded) for each in value]
        case str():
            return _text(node, value)
        case bool() | None:
            return value
    if isinstance(value, int):
        return float(value) if node.type == "number" or value not in _INT64 else value
    return int(value) if node.type == "integer" and float(value).is_integer() else value


def _object(node: Node, value: dict[str, Any], is_resource: bool) -> dict[str, Any]:
    if is_map(node):
        child = node.additional or _ANY
        return {key: as_cel(child, each, is_resource=child.embedded) for key, each in value.items()}
    found: dict[str, Any] = {}
    for key, each in value.items():
        child_of, name = field_of(node, key, is_resource=is_resource), escaped(key)
        if child_of is not None and name is not None:
            found[name] = as_cel(child_of, each, is_resource=child_of.embedded)
    return found


def _text(node: Node, value: str) -> Any:
    if node.type != "string" or not node.format:
        return value
    try:
        return _formatted(node.format, value)
    except (ValueError, OverflowError, binascii.Error):
        return value


def _formatted(format: str, value: str) -> Any:
    if format == "date-time":
        stamp = Timestamp()
        stamp.FromJsonString(value.upper())
        return stamp
    if format == "date":
        stamp = Timestamp()
        stamp.FromDatetime(datetime.fromisoformat(value).replace(tzinfo=UTC))
        return stamp
    if format == "duration":
        duration = Duration()
        duration.FromNanoseconds(duration_ns(value))
        return duration
    return base64.b64decode(value, validate=True) if format == "byte" else value


def weigh(value: Any) -> Weight:
    """What bounds the cost of a rule over the value."""
    text, items, parts, pending = 0, 0, 0, [value]
    while pending:
        current = pending.pop()
        parts += 1
        if type(current) is str:
            text = max(text, len(current))
        elif type(current) in (dict, list):
            items = max(items, len(current))
            pending.extend(current.values() if type(current) is dict else current)
            text = max(text, *map(len, current), 0) if type(current) is dict else text
    return Weight(text, items, parts)
