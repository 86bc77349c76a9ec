"""From the `openAPIV3Schema` of a CustomResourceDefinition to nodes. The definition has been validated before: what is odd is ignored."""

from typing import Any

from pilothouse.model.json import Object
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.schema import Schema

_CHECKS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
_META = Node(type="object")


def from_crd(openapi: Object | None, *, preserve_unknown: bool = False) -> Schema:
    """The schema of one version of a custom resource. preserve_unknown: the definition keeps all fields (`preserveUnknownFields`)."""
    node = build(openapi or {})
    node.type = node.type or "object"
    node.preserve_unknown = node.preserve_unknown or preserve_unknown or not openapi
    for name in ("apiVersion", "kind"):
        node.properties.setdefault(name, Node(type="string"))
    node.properties.setdefault("metadata", _META)
    return Schema(node)


def build(raw: Any) -> Node:
    """The node of a schema, and of the partial ones under anyOf and its kin."""
    if not isinstance(raw, dict):
        return Node()
    additional = raw.get("additionalProperties")
    node = Node(
        type=raw.get("type") or "",
        format=raw.get("format") or "",
        properties={name: build(child) for name, child in (raw.get("properties") or {}).items()},
        required=tuple(raw.get("required") or ()),
        items=build(raw["items"]) if isinstance(raw.get("items"), dict) else None,
        additional=build(additional) if isinstance(additional, dict) else Node(preserve_unknown=True) if additional is True else None,
        enum=tuple(raw.get("enum") or ()),
        nullable=bool(raw.get("nullable")),
        preserve_unknown=bool(raw.get("x-kubernetes-preserve-unknown-fields")),
        embedded=bool(raw.get("x-kubernetes-embedded-resource")),
        int_or_string=bool(raw.get("x-kubernetes-int-or-string")),
        list_type=raw.get("x-kubernetes-list-type") or "",
        list_map_keys=tuple(raw.get("x-kubernetes-list-map-keys") or ()),
        map_type=raw.get("x-kubernetes-map-type") or "",
        default=(raw["default"],) if "default" in raw else None,
    )
    node.checks = _checks(raw)
    node.rules = tuple(raw.get("x-kubernetes-validations") or ())
    below = [*node.properties.values(), *(each for each in (node.items, node.additional) if each is not None)]
    node.ruled = bool(node.rules) or any(each.ruled for each in below)
    return node


def _checks(raw: Object) -> Object:
    found: Object = {key: raw[key] for key in _CHECKS if raw.get(key) is not None}
    for key in ("allOf", "anyOf", "oneOf"):
        if raw.get(key):
            found[key] = tuple(build(each) for each in raw[key])
    if raw.get("not"):
        found["not"] = build(raw["not"])
    return found
