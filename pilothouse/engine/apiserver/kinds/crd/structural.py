"""What makes a schema structural: every part of an object has its type said once, outside of combinations of value rules.

Source: apiextensions-apiserver pkg/apiserver/schema/{convert,validation,complete}.go.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.schema.regex import compiled

_INT_OR_STRING, _PRESERVE, _EMBEDDED = (
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
)
_TYPELESS = {"root": "at the root", "items": "for specified array items", "field": "for specified object fields"}
_UNTYPED_PAIR = [{"type": "integer"}, {"type": "string"}]
_UNDEFINED = ("additionalProperties", "default", "x-kubernetes-list-type", "x-kubernetes-map-type")
_EMPTY = ("type", "title", "description", "x-kubernetes-list-map-keys", "x-kubernetes-validations")
_FALSE = ("nullable", _PRESERVE, _EMBEDDED, _INT_OR_STRING)
_SINGLE = ("items", "additionalProperties", "not")
_COMBINATIONS = ("allOf", "anyOf", "oneOf")
_OF_METADATA = frozenset({"name", "generateName"})
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref", "$schema")


def is_readable(schema: Object) -> bool:
    """Whether it can be read as structural at all."""
    pending = [schema]
    while pending:
        found = pending.pop()
        if not found.keys().isdisjoint(_UNSUPPORTED) and any(found.get(name) for name in _UNSUPPORTED):
            return False
        if found.get("uniqueItems") or isinstance(found.get("items"), list):
            return False
        pending += schemas_below(found)
    return True


def schemas_below(schema: Object) -> list[Object]:
    """Those right below."""
    found = list((schema.get("properties") or {}).values())
    found += [below for name in _SINGLE if isinstance(below := schema.get(name), dict)]
    for name in _COMBINATIONS:
        found += schema.get(name) or ()
    return found


def validate_structural(schema: Object, path: str) -> list[Cause]:
    """Sorted by path and message, as upstream sorts them."""
    causes = _invariants(schema, "root", path) + _complete_values(schema, schema, path, path)
    return sorted(causes, key=lambda cause: f"{cause.field}: {cause.message}")


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
    causes = _embedded(schema, kind, path) if schema.get(_EMBEDDED) else []
    if not schema.get(_EMBEDDED) and not kind and not schema.get(_INT_OR_STRING) and not schema.get(_PRESERVE):
        causes.append(field.required(f"{path}.type", f"must not be empty {_TYPELESS[level]}"))
    if level == "root" and kind and kind != "object":
        causes.append(field.invalid(f"{path}.type", kind, "must be object at the root"))
    return causes


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
    is_free = set(meta.get("properties") or ()) <= _OF_METADATA
    if is_free and not any(value for name, value in meta.items() if name not in ("type", "default", "properties")):
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
    if (pattern := schema.get("pattern")) and compiled(pattern) is None:
        causes.append(field.invalid(f"{path}.pattern", pattern, "must be a valid regular expression, but isn't"))
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
    for name, below in (schema.get("properties") or {}).items():
        causes += _nested(below, f"{path}.properties[{name}]")
    if isinstance(schema.get("items"), dict):
        causes += _nested(schema["items"], f"{path}.items")
    return causes + _combinations(schema, path)


def _complete_values(rules: Object, schema: Object, path: str, here: str) -> list[Cause]:
    """What combinations at the root speak of must be there outside of them. here: the path of the rules, path: of the schema."""
    causes: list[Cause] = []
    if rules.get("not") is not None:
        causes += _complete(rules["not"], schema, path, f"{here}.not")
    for name in _COMBINATIONS:
        for i, below in enumerate(rules.get(name) or ()):
            causes += _complete(below, schema, path, f"{here}.{name}[{i}]")
    return causes


def _complete(rules: Object, schema: Any, path: str, here: str) -> list[Cause]:
    if not isinstance(schema, dict):
        return [field.required(path, f"because it is defined in {here}")]
    causes = _complete_values(rules, schema, path, here)
    if isinstance(rules.get("items"), dict):
        causes += _complete(rules["items"], schema.get("items"), f"{path}.items", f"{here}.items")
    known = schema.get("properties") or {}
    for name, below in (rules.get("properties") or {}).items():
        causes += _complete(below, known.get(name), f"{path}.properties[{name}]", f"{here}.properties[{name}]")
    return causes
