"""The tree that both the built-in kinds' and the custom resources' schemas become: what a value may be, and how lists in it merge.

A node knows what one place of a document may hold. Nodes of named definitions are shared and may refer to themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pilothouse.model.json import Object


class Patch(NamedTuple):
    """How strategic merge patches treat a field: strategies are of `merge`, `replace`, `retainKeys`."""

    strategies: tuple[str, ...]
    merge_key: str = ""


class GroupVersionKind(NamedTuple):
    group: str
    version: str
    kind: str


@dataclass(slots=True, eq=False)
class Node:
    """type: object, array, string, integer, number, boolean, or "" for anything.

    name: of the definition, "" for a node that has none. go_type: what upstream's decoder calls it.
    format: as in OpenAPI, and `micro-time`, `quantity`, `int-or-string`.
    additional: schema of a map's values. patches: of the fields that have a strategy.
    checks: the value validations of a custom resource's schema, by keyword. default: in a tuple, since it may be None.
    marks: fingerprints of the enum's values; defaulted: fields that have a default, with it. Both are made when they are first needed.
    rules: in CEL, as the schema states them. ruled: whether there are any, here or below.
    """

    type: str = ""
    name: str = ""
    go_type: str = ""
    format: str = ""
    properties: dict[str, "Node"] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    items: "Node | None" = None
    additional: "Node | None" = None
    enum: tuple[Any, ...] = ()
    marks: frozenset[bytes] | None = None
    nullable: bool = False
    preserve_unknown: bool = False
    embedded: bool = False
    int_or_string: bool = False
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    patches: Mapping[str, Patch] = field(default_factory=dict)
    kinds: tuple[GroupVersionKind, ...] = ()
    default: tuple[Any] | None = None
    defaulted: tuple[tuple[str, Any], ...] | None = None
    checks: Object = field(default_factory=dict)
    rules: tuple[Object, ...] = ()
    ruled: bool = False

    def __repr__(self) -> str:
        return f"<Node {self.name or self.type or 'any'}>"
