"""Upstream's definitions with their descriptions, in the form that OpenAPI documents show them. Read anew each time, never kept.

The package's file has nullable types and JSON Schema references; both are turned back into what the API server publishes.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from pilothouse.model.json import Object, loads
from pilothouse.model.schema.catalog import definitions_path
from pilothouse.model.schema.enums import ENUMS

V2, V3 = "#/definitions/", "#/components/schemas/"
_REFERENCE = "#/$defs/"

_INT_OR_STRING, _QUANTITY = "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "io.k8s.apimachinery.pkg.api.resource.Quantity"
_SPECIAL: dict[str, dict[str, Object]] = {
    V2: {_INT_OR_STRING: {"type": "string", "format": "int-or-string"}, _QUANTITY: {"type": "string"}},
    V3: {
        _INT_OR_STRING: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
        _QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    },
}
"""Version 2 has no way to say that a value is of one type or another."""


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
            special = _SPECIAL[reference].get(name)
            kept = raw[name] if special is None else special | {key: raw[name][key] for key in ("description",) if key in raw[name]}
            found[name] = _published(kept, reference, wanted)
            _name_values(found[name], ENUMS.get(name, {}))
    return dict(sorted(found.items()))


class Descriptions(NamedTuple):
    """What upstream says of the fields that every resource has, and every list of some."""

    of_resources: Mapping[str, str]
    of_lists: Mapping[str, str]


@lru_cache(1)
def descriptions() -> Descriptions:
    """Of `apiVersion`, `kind` and `metadata`."""
    one, many = (f"io.k8s.api.core.v1.{name}" for name in ("ConfigMap", "ConfigMapList"))
    found = definitions([many])
    names = ("apiVersion", "kind", "metadata")
    return Descriptions(*({name: found[each]["properties"][name]["description"] for name in names} for each in (one, many)))


def _name_values(definition: Object, enums: Mapping[str, tuple[str, ...]]) -> None:
    for name, values in enums.items():
        shown = definition["properties"][name]
        shown.get("items", shown)["enum"] = list(values)


def _published(schema: Object, reference: str, wanted: list[str]) -> Object:
    shown: Object = {}
    for key, value in schema.items():
        if key == "$ref":
            target = value.removeprefix(_REFERENCE)
            wanted.append(target)
            shown |= {"$ref": reference + target}
        elif key == "properties":
            shown[key] = {name: _property(_published(child, reference, wanted), reference) for name, child in value.items()}
        elif key in ("items", "additionalProperties") and isinstance(value, dict):
            shown[key] = _published(value, reference, wanted)
        else:
            shown[key] = _plain(key, value)
    if "x-kubernetes-group-version-kind" in shown:
        for name in ("apiVersion", "kind"):
            shown.get("properties", {}).get(name, {}).pop("enum", None)
    return shown


def _property(schema: Object, reference: str) -> Object:
    """Version 3 wraps references of properties, because nothing may stand beside one."""
    if reference == V2 or "$ref" not in schema:
        return schema
    return {key: value for key, value in schema.items() if key != "$ref"} | {"allOf": [{"$ref": schema["$ref"]}]}


def _plain(key: str, value: Any) -> Any:
    return value[0] if key == "type" and isinstance(value, list) else value
