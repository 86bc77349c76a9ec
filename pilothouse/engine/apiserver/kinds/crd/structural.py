"""What makes a schema structural: every part of an object has its type said once, outside of combinations of value rules.

Source: apiextensions-apiserver pkg/apiserver/schema/validation.go, complete.go.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_INT_OR_STRING, _PRESERVE, _EMBEDDED = (
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
)
_RULES = "x-kubernetes-validations"
_TYPELESS = {"root": "at the root", "items": "for specified array items", "field": "for specified object fields"}
_UNTYPED_PAIR = [{"type": "integer"}, {"type": "string"}]
_UNDEFINED = ("default", "additionalProperties")
_EMPTY = ("type", _RULES, "title", "description", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type")
_FALSE = ("nullable", _PRESERVE, _EMBEDDED, _INT_OR_STRING)
_COMBINATIONS = ("allOf", "anyOf", "oneOf")


def validate_structural(schema: Object, path: str) -> list[Cause]:
    return _invariants(schema, "root", path) + _completeness(schema, path)


def _invariants(schema: Object, level: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    items, extra = schema.get("items"), schema.get("additionalProperties")
    if schema.get("type") == "array" and items is None:
        causes.append(field.required(f"{path}.items", "must be specified"))
    if items is not None:
        causes += _invariants(items, "items", f"{path}.items")
    for name, below in (schema.get("properties") or {}).items():
        causes += _invariants(below, "field", f"{path}.properties[{name}]")
    if extra is not None and level == "root":
        causes.append(field.forbidden(f"{path}.additionalProperties", "must not be used at the root"))
    if isinstance(extra, dict):
        causes += _invariants(extra, "field", f"{path}.additionalProperties")
    causes += _int_or_string(schema, path) + _combinations(schema, path) + _typed(schema, level, path)
    if level == "root":
        causes += _root_metadata(schema, path)
    return causes + (_object_fields(schema, path) if level == "root" or schema.get(_EMBEDDED) else [])


def _typed(schema: Object, level: str, path: str) -> list[Cause]:
    kind = schema.get("type") or ""
    if schema.get(_EMBEDDED):
        return _embedded(schema, kind, path)
    if not kind and not schema.get(_INT_OR_STRING) and not schema.get(_PRESERVE):
        return [field.required(f"{path}.type", f"must not be empty {_TYPELESS[level]}")]
    if level == "root" and kind and kind != "object":
        return [field.invalid(f"{path}.type", kind, "must be object at the root")]
    return []


def _embedded(schema: Object, kind: str, path: str) -> list[Cause]:
    causes: list[Cause] = []
    detail = f"must be object if {_EMBEDDED} is true"
    if kind != "object":
        causes.append(field.invalid(f"{path}.type", kind, detail) if kind else field.required(f"{path}.type", detail))
    if schema.get("additionalProperties") is not None:
        causes.append(field.forbidden(f"{path}.additionalProperties", f"must not be used if {_EMBEDDED} is set"))
    if not schema.get(_PRESERVE) and not schema.get("properties"):
        causes.append(field.required(f"{path}.properties", f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"))
    return causes


def _int_or_string(schema: Object, path: str) -> list[Cause]:
    if not schema.get(_INT_OR_STRING):
        return []
    detail = f"must be false if {_INT_OR_STRING} is true"
    return [field.invalid(f"{path}.{name}", True, detail) for name in (_PRESERVE, _EMBEDDED) if schema.get(name)]


def _object_fields(schema: Object, path: str) -> list[Cause]:
    """apiVersion, kind and metadata are implied; a schema cannot make anything else of them."""
    properties = schema.get("properties") or {}
    causes: list[Cause] = []
    for name, kind in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        stated = (properties.get(name) or {}).get("type") or ""
        if name in properties and stated != kind:
            causes.append(field.invalid(f"{path}.properties[{name}].type", stated, f"must be {kind}"))
    return causes


def _root_metadata(schema: Object, path: str) -> list[Cause]:
    """Metadata at the root is implied, too; only names may be restricted."""
    meta = (schema.get("properties") or {}).get("metadata") or {}
    if not set(meta.get("properties") or ()) - {"name", "generateName"}:
        return []
    detail = "must not specify anything other than name and generateName, but metadata is implicitly specified"
    return [field.forbidden(f"{path}.properties[metadata]", detail)]


def _combinations(schema: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    typed_pair = schema.get("anyOf") == _UNTYPED_PAIR
    for name in _COMBINATIONS:
        if name == "anyOf" and typed_pair:
            continue
        for i, below in enumerate(schema.get(name) or ()):
            is_typed_pair = name == "allOf" and i == 0 and below.get("anyOf") == _UNTYPED_PAIR
            rest = {key: value for key, value in below.items() if key != "anyOf"} if is_typed_pair else below
            causes += _nested(rest, f"{path}.{name}[{i}]")
    if schema.get("not") is not None:
        causes += _nested(schema["not"], f"{path}.not")
    return causes


def _nested(schema: Object, path: str) -> list[Cause]:
    """Inside combinations stand rules for values, nothing that shapes the object."""
    causes = [
        field.forbidden(f"{path}.{name}", "must be undefined to be structural") for name in _UNDEFINED if schema.get(name) is not None
    ]
    causes += [field.forbidden(f"{path}.{name}", "must be empty to be structural") for name in _EMPTY if schema.get(name)]
    causes += [field.forbidden(f"{path}.{name}", "must be false to be structural") for name in _FALSE if schema.get(name)]
    if "metadata" in (schema.get("properties") or {}):
        causes.append(field.forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context"))
    for below, here in _values_below(schema, path):
        causes += _nested(below, here)
    return causes + _combinations(schema, path)


def _values_below(schema: Object, path: str) -> list[tuple[Object, str]]:
    found = [(below, f"{path}.properties[{name}]") for name, below in (schema.get("properties") or {}).items()]
    if isinstance(schema.get("items"), dict):
        found.append((schema["items"], f"{path}.items"))
    return found


def _completeness(schema: Object, path: str) -> list[Cause]:
    """What combinations speak of must be there outside of them."""
    causes: list[Cause] = []
    parts: list[tuple[Any, str]] = [(below, f"{name}[{i}]") for name in _COMBINATIONS for i, below in enumerate(schema.get(name) or ())]
    if schema.get("not") is not None:
        parts.append((schema["not"], "not"))
    known = schema.get("properties") or {}
    for below, where in parts:
        if schema.get("items") is None and below.get("items") is not None:
            causes.append(field.required(f"{path}.items", f"because it is defined in {path}.{where}.items"))
        causes += [
            field.required(f"{path}.properties[{name}]", f"because it is defined in {path}.{where}.properties[{name}]")
            for name in below.get("properties") or ()
            if known and name not in known
        ]
    for name, below in known.items():
        causes += _completeness(below, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            causes += _completeness(schema[name], f"{path}.{name}")
    return causes
