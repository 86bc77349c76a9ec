"""The Kind of a custom resource: what its definition says about writing and showing it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pilothouse.engine.apiserver.crds.columns import column_of, columns_of
from pilothouse.engine.apiserver.crds.jsonpath import find
from pilothouse.engine.apiserver.kinds import metadata
from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Context, Kind
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Schema
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.validate import INVALID, NOT_SUPPORTED, NOWHERE, REQUIRED, TOO_LONG, TOO_MANY, TYPE

if TYPE_CHECKING:
    from pilothouse.engine.apiserver.crds.rules import Rules

_BLOCKING = frozenset({NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE})
_UNJUDGED = Cause(
    NOWHERE,
    INVALID,
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def custom_kind(resource: Resource, version: Object, schema: Callable[[], Schema]) -> Kind:
    has_status = "status" in resource.subresources
    printed = version.get("additionalPrinterColumns") or [_AGE]
    fields = tuple(field["jsonPath"] for field in version.get("selectableFields") or ())

    def default(obj: Object) -> None:
        schema().default(obj)

    def prepare_create(obj: Object, context: Context) -> None:
        if has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def prepare_update(obj: Object, old: Object, context: Context) -> None:
        _prepare_update(obj, old, context, has_status)

    type_of = {"apiVersion": resource.api_version, "kind": resource.kind}
    rules: list[Rules] = []

    def judge(obj: Object, old: Object | None) -> list[Cause]:
        causes, node = schema().validate(obj), schema().node
        if not node.ruled:
            return causes
        if any(cause.reason in _BLOCKING for cause in causes):
            return [*causes, _UNJUDGED]
        if not rules:
            rules.append(_rules(node))
        return causes + rules[0].check(type_of | obj, None if old is None else type_of | old)

    def validate(obj: Object) -> list[Cause]:
        return _metadata_causes(obj, resource.namespaced) + judge(obj, None)

    def validate_update(obj: Object, old: Object) -> list[Cause]:
        return metadata.validate_update(obj, old, standard_finalizers=False) + judge(obj, old)

    def selectable(obj: Object) -> dict[str, str]:
        return metadata.selectable(obj) | {path.lstrip("."): _text(find(obj, path)) for path in fields}

    def cells(obj: Object, now: datetime) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(column_of(obj, column, now) for column in printed)]

    return Kind(
        resource,
        "",
        default=default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=validate,
        validate_update=validate_update,
        validate_status_update=validate_update,
        columns=(NAME_COLUMN, *columns_of(printed)),
        cells=cells,
        selectable=selectable,
        selectable_fields=frozenset({"metadata.name", "metadata.namespace", *(path.lstrip(".") for path in fields)}),
        unconditional_update=False,
        followed_by="definitions",
    )


def _rules(node: Node) -> "Rules":
    # WHY here: the language's implementation takes memory that a cluster without rules need not spend.
    from pilothouse.engine.apiserver.crds.rules import Rules

    return Rules(node)


def _metadata_causes(obj: Object, namespaced: bool) -> list[Cause]:
    return metadata.validate(obj, metadata.subdomain_name, namespaced=namespaced, standard_finalizers=False)


def _text(found: list[Any]) -> str:
    if not found:
        return ""
    value = found[0]
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _prepare_update(obj: Object, old: Object, context: Context, has_status: bool) -> None:
    """With a status subresource, each side of the object is written through its own door only."""
    if context.subresource == "status":
        status = obj.get("status")
        kept = {key: value for key, value in old.items() if key not in ("metadata", "status")}
        meta = dict(old["metadata"]) | {key: value for key, value in obj["metadata"].items() if key == "resourceVersion"}
        obj.clear()
        obj.update(kept | {"metadata": meta} | ({} if status is None else {"status": status}))
        return
    if has_status:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
    ignored = ("metadata", "status") if has_status else ("metadata",)
    changed = not same({k: v for k, v in obj.items() if k not in ignored}, {k: v for k, v in old.items() if k not in ignored})
    generation = old["metadata"].get("generation", 0)
    obj["metadata"]["generation"] = generation + 1 if changed else generation
