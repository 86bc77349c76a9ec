"""A schema as its users see it: decode objects of built-in kinds; prune, default and validate custom ones.

The parts are made when they are first needed and kept: a schema is used for every request, but most kinds never see one.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any

from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, dumps, loads
from pilothouse.model.schema.breadth import breadth
from pilothouse.model.schema.decode import Compiler, Decoded, Decoder, decode
from pilothouse.model.schema.node import GroupVersionKind, Node
from pilothouse.model.schema.scalars import DecodeError
from pilothouse.model.schema.structural import default, embedded_metadata, prune, prune_nulls, whole_numbers
from pilothouse.model.schema.validate import NOWHERE, show, validate, validate_change


def _inside(field: str, cause: Cause) -> Cause:
    return Cause(f"{field}.{cause.field}" if cause.field not in ("", NOWHERE) else field, cause.reason, cause.message)


class Schema:
    """node: the tree, for those who walk it themselves (strategic merge, apply)."""

    def __init__(self, node: Node, compiler: Compiler | None = None) -> None:
        """compiler: shared by the schemas of one catalog, since their nodes are."""
        self.node = node
        self._compiler = compiler or Compiler()

    @property
    def kinds(self) -> tuple[GroupVersionKind, ...]:
        return self.node.kinds

    @property
    def whole(self) -> Node:
        """The tree of a whole object, its metadata included."""
        return self.node

    @property
    def breadth(self) -> int:
        """How many checks one value is held to, at most; 1 for built-in kinds, whose rules are no part of the schema."""
        return 1

    @cached_property
    def _decoder(self) -> Decoder:
        return self._compiler.decoder(self.node)

    def decode(self, value: Any) -> Decoded:
        """The value as upstream's Go type would write it again, and the fields that it does not know. Raises DecodeError."""
        return decode(self.node, self._decoder, value)

    def zero(self, field: str) -> Any:
        """What the field holds in an object that does not set it (`status`: its value with nothing in it), or None."""
        return self._decoder({}, []).get(field)

    def prune(self, value: Object) -> list[str]:
        """Drop unspecified fields, in place; returns their paths, sorted. Whole floats become integers, as Go writes them."""
        whole_numbers(value)
        return sorted(prune(self.node, value))

    def check_embedded(self, value: Object, metadata: "Schema") -> None:
        """Raise DecodeError when the metadata of an embedded resource is none. metadata: the catalog's `object_meta()`."""
        for path, found in embedded_metadata(self.node, value):
            try:
                metadata.decode(found)
            except DecodeError as error:
                raise DecodeError(f"{path}: Invalid value: {show(found)}: {error.message}") from None

    def default(self, value: Object) -> None:
        """Drop nulls where the schema wants none, then fill in defaults, in place."""
        prune_nulls(self.node, value)
        default(self.node, value)

    def validate(self, value: Any, path: str = "") -> list[Cause]:
        """All that is wrong with a custom resource, in upstream's wording and order."""
        return validate(self.node, value, path)

    def validate_change(self, value: Any, old: Any, field: str = "") -> list[Cause]:
        """The same of an update, which need not mend what it does not change. field: of the object, if only that is looked at."""
        if not field:
            return validate_change(self.node, value, old, "")
        node = self.node.properties.get(field)
        if node is None or field not in value:
            return []
        # Messages speak of such a part as if it were the whole.
        return [_inside(field, cause) for cause in validate_change(node, value[field], old.get(field), "")]


def _with_resources(node: Node, metadata: Node) -> Node:
    """A copy whose embedded resources have the fields that every resource has."""
    below = {name: _with_resources(child, metadata) for name, child in node.properties.items()}
    items = None if node.items is None else _with_resources(node.items, metadata)
    additional = None if node.additional is None else _with_resources(node.additional, metadata)
    copy = replace(node, properties=below, items=items, additional=additional)
    return _as_resource(copy, metadata) if node.embedded else copy


def _as_resource(node: Node, metadata: Node) -> Node:
    text = Node(type="string")
    return replace(node, properties={"apiVersion": text, "kind": text, **node.properties, "metadata": metadata})


class CustomSchema(Schema):
    """Of a custom resource. Its fields are pruned, not typed; only its metadata is decoded, as that of any object."""

    def __init__(self, node: Node, metadata: Schema) -> None:
        """metadata: the catalog's `object_meta()`."""
        super().__init__(node)
        self._metadata = metadata

    @cached_property
    def breadth(self) -> int:
        return breadth(self.node)

    @cached_property
    def whole(self) -> Node:
        return _as_resource(_with_resources(self.node, self._metadata.node), self._metadata.node)

    def decode(self, value: Any) -> Decoded:
        """A pruned copy and the paths of what was dropped; raises DecodeError when the metadata is none."""
        # By way of bytes, which takes a fifth of the time of a walk and, unlike it, makes nothing that the collector looks through.
        fresh = loads(dumps(value))
        unknown: list[str] = []
        if fresh.get("metadata") is not None:
            decoded = self._metadata.decode(fresh["metadata"])
            fresh["metadata"] = decoded.value
            unknown = [f"metadata.{path}" for path in decoded.unknown]
        self.check_embedded(fresh, self._metadata)
        return Decoded(fresh, sorted(unknown + self.prune(fresh)))
