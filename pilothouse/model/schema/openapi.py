"""Upstream's definitions with their descriptions, in the form that OpenAPI documents show them. Read anew each time, never kept.

The package's file has nullable types and JSON Schema references; both are turned back into what the API server publishes.
"""

from collections.abc import Iterable
from typing import Any

from pilothouse.model.json import Object, loads
from pilothouse.model.schema.catalog import definitions_path

V2, V3 = "#/definitions/", "#/components/schemas/"
_REFERENCE = "#/$defs/"

_SPECIAL: dict[str, Object] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
}


def definitions(roots: Iterable[str], reference: str = V3) -> dict[str, Object]:
    """The definitions of these names and all that they refer to, by name, sorted. Unknown names are left out.

    reference: what references start with: V2 or V3.
    """
    raw: dict[str, Object] = loads(definitions_path().read_bytes())["$defs"]
    found: dict[str, Object] = {}
    wanted = [name for name in roots if name in raw]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _published(_SPECIAL.get(name, {}) | _kept(name, raw[name]), reference, wanted)
    return dict(sorted(found.items()))


def _kept(name: str, raw: Object) -> Object:
    return {key: value for key, value in raw.items() if name not in _SPECIAL or key == "description"}


def _published(schema: Object, reference: str, wanted: list[str]) -> Object:
    shown: Object = {}
    for key, value in schema.items():
        if key == "$ref":
            target = value.removeprefix(_REFERENCE)
            wanted.append(target)
            shown |= _reference(reference + target, reference)
        elif key == "properties":
            shown[key] = {name: _published(child, reference, wanted) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            shown[key] = _published(value, reference, wanted)
        else:
            shown[key] = _plain(key, value)
    if "x-kubernetes-group-version-kind" in shown:
        for name in ("apiVersion", "kind"):
            shown.get("properties", {}).get(name, {}).pop("enum", None)
    return shown


def _reference(target: str, reference: str) -> Object:
    """Version 3 wraps references, because nothing may stand beside one."""
    return {"allOf": [{"$ref": target}]} if reference == V3 else {"$ref": target}


def _plain(key: str, value: Any) -> Any:
    return value[0] if key == "type" and isinstance(value, list) else value
