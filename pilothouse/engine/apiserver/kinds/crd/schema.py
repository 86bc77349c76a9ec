"""The schema of a version: OpenAPI as far as custom resources may use it, then structural, then its defaults."""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd.defaults import validate_defaults
from pilothouse.engine.apiserver.kinds.crd.lists import validate_lists
from pilothouse.engine.apiserver.kinds.crd.rules import RULES_MAX, validate_rules
from pilothouse.engine.apiserver.kinds.crd.structural import validate_structural
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.schema.regex import compiled

TYPES = ("array", "boolean", "integer", "number", "object", "string")
MAP_TYPES = ("granular", "atomic")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_COMBINATIONS = ("allOf", "oneOf", "anyOf")


def validate_version_schema(schema: Object, path: str) -> list[Cause]:
    openapi, here = schema.get("openAPIV3Schema"), f"{path}.openAPIV3Schema"
    if openapi is None:
        return []
    causes: list[Cause] = []
    if openapi.get("nullable"):
        causes.append(field.forbidden(f"{here}.nullable", "nullable cannot be true at the root"))
    if (count := _rule_count(openapi)) > RULES_MAX:
        return [field.too_many(here, count, RULES_MAX)]
    causes += _openapi(openapi, here)
    if _is_unsupported(openapi):
        return causes
    structural = validate_structural(openapi, here)
    return causes + (structural or validate_defaults(openapi, here))


def children(schema: Object, path: str) -> list[tuple[Object, str]]:
    """The schemas right below, with their paths; combinations of value rules included."""
    found = [(below, f"{path}.properties[{name}]") for name, below in (schema.get("properties") or {}).items()]
    single = ("items", "additionalProperties", "not")
    found += [(schema[name], f"{path}.{name}") for name in single if isinstance(schema.get(name), dict)]
    for name in _COMBINATIONS:
        found += [(below, f"{path}.{name}[{i}]") for i, below in enumerate(schema.get(name) or ())]
    return found


def _rule_count(schema: Object) -> int:
    return len(schema.get("x-kubernetes-validations") or ()) + sum(_rule_count(below) for below, _ in children(schema, ""))


def _is_unsupported(schema: Object) -> bool:
    """Whether anything in it keeps it from being read as structural at all."""
    if any(schema.get(name) for name in _UNSUPPORTED) or schema.get("uniqueItems") or isinstance(schema.get("items"), list):
        return True
    if schema.get("properties") and schema.get("additionalProperties") is not None:
        return True
    return any(_is_unsupported(below) for below, _ in children(schema, ""))


def _openapi(schema: Object, path: str) -> list[Cause]:
    causes = _keywords(schema, path) + _type(schema, path) + _additional(schema, path)
    if pattern := schema.get("pattern"):
        causes += _pattern(pattern, f"{path}.pattern")
    for below, here in children(schema, path):
        causes += _openapi(below, here)
    causes += _extensions(schema, path) + validate_lists(schema, path)
    if rules := schema.get("x-kubernetes-validations"):
        causes += validate_rules(rules, schema, f"{path}.x-kubernetes-validations", is_root=path.endswith("openAPIV3Schema"))
    return causes


def _keywords(schema: Object, path: str) -> list[Cause]:
    causes = [field.forbidden(f"{path}.{name}", f"{name} is not supported") for name in _UNSUPPORTED if schema.get(name)]
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(field.forbidden(f"{path}.uniqueItems", detail))
    if isinstance(schema.get("items"), list):
        causes.append(field.forbidden(f"{path}.items", "items must be a schema object and not an array"))
    return causes


def _type(schema: Object, path: str) -> list[Cause]:
    kind = schema.get("type") or ""
    if kind == "null":
        return [field.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")]
    return [] if not kind or kind in TYPES else [field.not_supported(f"{path}.type", kind, TYPES)]


def _additional(schema: Object, path: str) -> list[Cause]:
    extra: Any = schema.get("additionalProperties")
    if extra is None:
        return []
    causes: list[Cause] = []
    if schema.get("properties"):
        detail = "additionalProperties and properties are mutual exclusive"
        causes.append(field.forbidden(f"{path}.additionalProperties", detail))
    if extra is False:
        causes.append(field.forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false"))
    return causes


def _pattern(pattern: str, path: str) -> list[Cause]:
    if compiled(pattern) is not None:
        return []
    return [field.invalid(path, pattern, "must be a valid regular expression, but isn't")]


def _extensions(schema: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        causes.append(field.invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined"))
    map_type, kind = schema.get("x-kubernetes-map-type"), schema.get("type") or ""
    if map_type is None:
        return causes
    detail = "must be object if x-kubernetes-map-type is specified"
    if kind != "object":
        causes.append(field.invalid(f"{path}.type", kind, detail) if kind else field.required(f"{path}.type", detail))
    if map_type not in MAP_TYPES:
        causes.append(field.not_supported(f"{path}.x-kubernetes-map-type", map_type, MAP_TYPES))
    return causes
