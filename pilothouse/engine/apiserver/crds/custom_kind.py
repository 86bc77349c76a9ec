"""The Kind of a custom resource: what its definition says about writing and showing it."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pilothouse.engine.apiserver.crds.columns import column_of, columns_of
from pilothouse.engine.apiserver.crds.finalizers import finalizer_warnings
from pilothouse.engine.apiserver.crds.jsonpath import find
from pilothouse.engine.apiserver.crds.scales import scale_causes
from pilothouse.engine.apiserver.kinds import metadata
from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, UNSUPPORTED_LABEL, Context, Kind
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, same
from pilothouse.model.resource import Resource
from pilothouse.model.schema import Schema
from pilothouse.model.schema.node import Node
from pilothouse.model.schema.validate import INVALID, NOT_SUPPORTED, NOWHERE, REQUIRED, TOO_LONG, TOO_MANY, TYPE

if TYPE_CHECKING:
    from pilothouse.model.cel.validation import Rules

_BLOCKING = frozenset({NOT_SUPPORTED, REQUIRED, TOO_LONG, TOO_MANY, TYPE})
_UNJUDGED = Cause(
    NOWHERE,
    INVALID,
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def custom_kind(resource: Resource, version: Object, schema: Callable[[], Schema]) -> Kind:
    """version: as the definition states it."""
    has_status = "status" in resource.subresources
    shown, judged = _Shown(resource, version), _Judged(resource, version, schema)

    def default(obj: Object) -> None:
        schema().default(obj)

    def prepare_create(obj: Object, context: Context) -> None:
        if has_status:
            obj.pop("status", None)
        obj["metadata"]["generation"] = 1

    def prepare_update(obj: Object, old: Object, context: Context) -> None:
        _prepare_update(obj, old, context, has_status)

    return Kind(
        resource,
        "",
        default=default,
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=judged.validate,
        validate_update=judged.validate_update,
        validate_status_update=judged.validate_status_update,
        warnings=finalizer_warnings,
        warnings_on_update=finalizer_warnings,
        columns=(NAME_COLUMN, *columns_of(shown.columns)),
        cells=shown.cells,
        selectable=shown.selectable,
        selectable_fields=shown.selectable_fields,
        selector_refusal=UNSUPPORTED_LABEL,
        unconditional_update=False,
        followed_by="definitions",
    )


class _Shown:
    """What tables and field selectors see of an object. columns: as the definition states them."""

    def __init__(self, resource: Resource, version: Object) -> None:
        self.columns: list[Object] = version.get("additionalPrinterColumns") or [_AGE]
        self._paths = tuple(each["jsonPath"] for each in version.get("selectableFields") or ())
        of_metadata = ("metadata.name", "metadata.namespace") if resource.namespaced else ("metadata.name",)
        self.selectable_fields = frozenset({*of_metadata, *(path.lstrip(".") for path in self._paths)})

    def selectable(self, obj: Object) -> dict[str, str]:
        return metadata.selectable(obj) | {path.lstrip("."): _text(find(obj, path)) for path in self._paths}

    def cells(self, obj: Object, now: datetime) -> list[Any]:
        return [obj["metadata"].get("name", ""), *(column_of(obj, column, now) for column in self.columns)]


class _Judged:
    """What is wrong with an object: by its schema, as a thing that can be scaled, by the schema's rules."""

    def __init__(self, resource: Resource, version: Object, schema: Callable[[], Schema]) -> None:
        self._scale: Object = (version.get("subresources") or {}).get("scale") or {}
        self._resource = resource
        self._type = {"apiVersion": resource.api_version, "kind": resource.kind}
        self._schema = schema
        self._rules: Rules | None = None

    def validate(self, obj: Object) -> list[Cause]:
        causes = self._schema().validate(obj) + scale_causes(obj, self._scale)
        return _metadata_causes(obj, self._resource.namespaced) + self._by_rules(obj, None, causes)

    def validate_update(self, obj: Object, old: Object) -> list[Cause]:
        return self._of_change(obj, old, self._schema().validate_change(obj, old) + scale_causes(obj, self._scale))

    def validate_status_update(self, obj: Object, old: Object) -> list[Cause]:
        causes = self._schema().validate_change(obj, old, "status") + scale_causes(obj, self._scale, of_status=True)
        return self._of_change(obj, old, causes)

    def _of_change(self, obj: Object, old: Object, causes: list[Cause]) -> list[Cause]:
        return metadata.validate_update(obj, old, standard_finalizers=False) + self._by_rules(obj, old, causes)

    def _by_rules(self, obj: Object, old: Object | None, causes: list[Cause]) -> list[Cause]:
        """causes: what is wrong already, at the front of the outcome; rules are not asked about what has not its schema's shape."""
        node = self._schema().node
        if not node.ruled:
            return causes
        if any(cause.reason in _BLOCKING for cause in causes):
            return [*causes, _UNJUDGED]
        if self._rules is None:
            self._rules = _rules(node)
        return causes + self._rules.check(self._type | obj, None if old is None else self._type | old)


def _rules(node: Node) -> "Rules":
    # WHY here: the language's implementation takes memory that a cluster without rules need not spend.
    from pilothouse.model.cel.validation import Rules

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
