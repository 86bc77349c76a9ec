"""Schemas of custom resources in OpenAPI documents.

Version 2 says less than a definition may say, and kubectl cannot cope with some of it: that is left out there.
Source: apiextensions-apiserver pkg/controller/openapi/{builder,v2}.
"""

from collections.abc import Mapping
from typing import Any

from pilothouse.engine.apiserver.discovery.style import Style
from pilothouse.engine.apiserver.resources.served import ServedResource
from pilothouse.model.json import Object
from pilothouse.model.schema.openapi import descriptions

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_PRESERVE, _EMBEDDED, _SELECTABLE = (
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-selectable-fields",
)
_COMBINATIONS = ("allOf", "anyOf", "oneOf", "not")
_TEXT = {"type": "string"}
_ALWAYS = frozenset({"metadata.name", "metadata.namespace"})


def custom_schemas(row: ServedResource, name: str, style: Style) -> dict[str, Object]:
    """The schemas of a custom resource and of its list."""
    resource = row.resource
    own = _object(row.openapi, style) | {"x-kubernetes-group-version-kind": [_kind(row, resource.kind)]}
    if selectable := sorted(row.kind.selectable_fields - _ALWAYS):
        own[_SELECTABLE] = [{"fieldPath": path} for path in selectable]
    items = {"type": "array", "items": reference(name, style), "description": f"List of {resource.plural}."}
    listed = {
        "type": "object",
        "description": f"{row.list_kind} is a list of {resource.kind}",
        "required": ["items"],
        "properties": {"items": items, **_described("ListMeta", descriptions().of_lists, style)},
        "x-kubernetes-group-version-kind": [_kind(row, row.list_kind)],
    }
    return {name: own, f"{name}List": listed}


def reference(name: str, style: Style) -> Object:
    found = {"$ref": style.reference + name}
    return {"allOf": [found]} if style.version == 3 else found


def _kind(row: ServedResource, kind: str) -> Object:
    return {"group": row.resource.group, "kind": kind, "version": row.resource.version}


def _object(schema: Object | None, style: Style) -> Object:
    if schema is None:
        return {"type": "object", _PRESERVE: True}
    if style.version == 2 and schema.get(_PRESERVE):
        # Any field that is named here would make kubectl refuse the others.
        return {"type": "object"}
    shown = _published(schema, style)
    return shown | {"properties": (shown.get("properties") or {}) | _typed(style)}


def _typed(style: Style) -> Object:
    return _described("ObjectMeta", descriptions().of_resources, style)


def _described(metadata: str, texts: Mapping[str, str], style: Style) -> Object:
    """The fields that every resource has. metadata: the type of theirs."""
    found = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": reference(f"{_META}.{metadata}", style)}
    return {name: {"description": texts[name], **schema} for name, schema in found.items()}


def _published(schema: Object, style: Style) -> Object:
    shown: Object = dict(schema)
    for name in ("properties", "items", "additionalProperties"):
        if name in shown:
            shown[name] = _below(name, shown[name], style)
    if schema.get(_EMBEDDED) and not (style.version == 2 and schema.get(_PRESERVE)):
        shown["properties"] = (shown.get("properties") or {}) | _typed(style)
        stated = shown.get("required") or []
        shown["required"] = [*stated, *(name for name in ("kind", "apiVersion") if name not in stated)]
    return _for_version_2(shown) if style.version == 2 else shown


def _below(name: str, value: Any, style: Style) -> Any:
    if name == "properties":
        return {key: _published(each, style) for key, each in (value or {}).items()}
    return _published(value, style) if isinstance(value, dict) else value


def _for_version_2(schema: Object) -> Object:
    dropped = {*_COMBINATIONS, "nullable"}
    if schema.get("nullable") or schema.get(_PRESERVE):
        dropped |= {"items", "properties"}
    if schema.get("nullable") or (schema.get(_PRESERVE) and schema.get("type") == "object"):
        dropped.add("type")
    shown = {key: value for key, value in schema.items() if key not in dropped}
    if shown.get("type") == "array" and "items" not in shown:
        del shown["type"]
    return shown
