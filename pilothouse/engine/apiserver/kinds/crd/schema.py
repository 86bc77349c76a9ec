"""The schema of a version: structural, its defaults, then OpenAPI as far as custom resources may use it, then its rules.

Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go, validateCustomResourceDefinitionValidation.
"""

from dataclasses import dataclass, replace
from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.crd.costs import Total, occurrences_below
from pilothouse.engine.apiserver.kinds.crd.defaults import validate_defaults
from pilothouse.engine.apiserver.kinds.crd.lists import validate_lists
from pilothouse.engine.apiserver.kinds.crd.rules import RULES_MAX, Scope, validate_expressions, validate_texts
from pilothouse.engine.apiserver.kinds.crd.structural import is_readable, schemas_below, validate_structural
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.schema.crd import build

TYPES = ("array", "boolean", "integer", "number", "object", "string")
MAP_TYPES = ("atomic", "granular")
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_STATED_WHEN_EMPTY = ("additionalItems", "dependencies", "$ref")
_COMBINATIONS = ("allOf", "oneOf", "anyOf")
_METADATA = frozenset({"metadata", "kind", "apiVersion"})
_BESIDE_STATUS = frozenset(
    (
        *("description", "type", "format", "title", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength"),
        *("pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "required", "items", "properties", "externalDocs", "example"),
        *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations"),
    )
)
"""What a root schema may say where status is a subresource: its own rules are found in `properties`."""

_Children = list[tuple[Object, str, "_Place", Scope | None]]


@dataclass(frozen=True, slots=True)
class _Place:
    """no_default: why there may be no default here, "" where there may. in_metadata: of the object or of one inside it."""

    no_default: str = ""
    in_metadata: bool = False
    is_root: bool = False
    uncorrelated: str = ""

    def not_correlated(self, path: str) -> "_Place":
        return replace(self, uncorrelated=self.uncorrelated or path)


def validate_version_schema(schema: Object, path: str, *, has_status: bool, is_costly: bool = False) -> list[Cause]:
    """is_costly: the schema is stored as it is, so that its rules may cost what they will, each for itself."""
    openapi, here = schema.get("openAPIV3Schema"), f"{path}.openAPIV3Schema"
    if openapi is None:
        return []
    if (count := _rule_count(openapi)) > RULES_MAX:
        return [field.too_many(here, count, RULES_MAX)]
    causes = _root(openapi, here) if has_status else []
    if openapi.get("nullable"):
        causes.append(field.forbidden(f"{here}.nullable", "nullable cannot be true at the root"))
    scope: Scope | None = None
    if is_readable(openapi):
        root = build(openapi)
        structural = validate_structural(openapi, here) or validate_defaults(root, here)
        causes += structural
        if not structural:
            scope = Scope(root, True, 1, Total(), is_costly=is_costly)
    wrong, rules = _openapi(openapi, here, _Place(is_root=True), scope)
    causes += wrong + rules
    if not causes and not is_readable(openapi):
        causes.append(field.invalid(here, "", "OpenAPIV3Schema 'schema' is not supported"))
    return causes + ([] if scope is None else scope.total.causes(here))


def _root(schema: Object, path: str) -> list[Cause]:
    if (kind := schema.get("type") or "") not in ("object", ""):
        detail = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        return [field.invalid(f"{path}.type", kind, detail)]
    if any(value for name, value in schema.items() if name not in _BESIDE_STATUS):
        names = " ".join(sorted(_BESIDE_STATUS))
        detail = f"only [{names}] fields are allowed at the root of the schema if the status subresource is enabled"
        return [field.invalid(path, schema, detail)]
    return []


def _rule_count(schema: Object) -> int:
    """In the schema and all below it; some ten thousand of them may be there."""
    count, pending = 0, [schema]
    while pending:
        found = pending.pop()
        count += len(found.get("x-kubernetes-validations") or ())
        pending += schemas_below(found)
    return count


def _structure(schema: Object, path: str, place: _Place, scope: Scope | None) -> _Children:
    """Schemas of what values consist of."""
    found: _Children = []
    inner = replace(place, is_root=False)
    if isinstance(extra := schema.get("additionalProperties"), dict):
        reason = "inside additionalProperties applying to object metadata" if place.in_metadata else place.no_default
        found.append((extra, f"{path}.additionalProperties", replace(inner, no_default=reason), _scope_below(schema, scope, "*")))
    for name, below in (schema.get("properties") or {}).items():
        each = inner if schema.get("x-kubernetes-map-type") in (None, "granular") else inner.not_correlated(path)
        if (place.is_root or schema.get("x-kubernetes-embedded-resource")) and name in _METADATA:
            each = replace(each, in_metadata=True, no_default=f"in top-level {name}" if place.is_root else each.no_default)
        found.append((below, f"{path}.properties[{name}]", each, _scope_below(schema, scope, "properties", name)))
    return found


def _values(schema: Object, path: str, place: _Place) -> _Children:
    """Schemas that are rules for the same values; those of a list's items stand last, as upstream has them."""
    inner = replace(place, is_root=False)
    found: _Children = [(schema["not"], f"{path}.not", inner, None)] if isinstance(schema.get("not"), dict) else []
    for name in _COMBINATIONS:
        found += [(below, f"{path}.{name}[{i}]", inner, None) for i, below in enumerate(schema.get(name) or ())]
    return found


def _items(schema: Object, path: str, place: _Place, scope: Scope | None) -> _Children:
    if not isinstance(items := schema.get("items"), dict):
        return []
    inner = replace(place, is_root=False)
    if schema.get("x-kubernetes-list-type") != "map":
        inner = inner.not_correlated(path)
    return [(items, f"{path}.items", inner, _scope_below(schema, scope, "items"))]


def _scope_below(schema: Object, scope: Scope | None, what: str, name: str = "") -> Scope | None:
    if scope is None:
        return None
    node = scope.node
    below = {"*": node.additional, "items": node.items, "properties": node.properties.get(name)}[what]
    if below is None:
        return None
    return replace(scope, node=below, is_resource=below.embedded, occurrences=occurrences_below(schema, scope.occurrences))


def _openapi(schema: Object, path: str, place: _Place, scope: Scope | None) -> tuple[list[Cause], list[Cause]]:
    """What is wrong with the schema, and with its rules: these are compiled only where nothing is wrong with what they are about."""
    causes = _keywords(schema, path, place) + _additional(schema, path)
    wrong_rules: list[Cause] = []
    children = _structure(schema, path, place, scope) + _values(schema, path, place) + _items(schema, path, place, scope)
    for below, here, inner, inner_scope in children:
        wrong, rules = _openapi(below, here, inner, inner_scope)
        causes += wrong
        wrong_rules += rules
    causes += _extensions(schema, path) + validate_lists(schema, path)
    if stated := schema.get("x-kubernetes-validations"):
        here = f"{path}.x-kubernetes-validations"
        causes += validate_texts(stated, schema, here)
        if scope is not None and not causes:
            wrong_rules += validate_expressions(stated, replace(scope, uncorrelated=place.uncorrelated), here)
    return causes, wrong_rules


def _keywords(schema: Object, path: str, place: _Place) -> list[Cause]:
    kind = schema.get("type") or ""
    causes = [field.not_supported(f"{path}.type", kind, TYPES)] if kind and kind not in TYPES else []
    if schema.get("default") is not None and place.no_default:
        causes.append(field.forbidden(f"{path}.default", f"must not be set {place.no_default}"))
    causes += [field.forbidden(f"{path}.{name}", f"{name} is not supported") for name in _UNSUPPORTED if _is_stated(schema, name)]
    if kind == "null":
        causes.append(field.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
    if isinstance(schema.get("items"), list):
        causes.append(field.forbidden(f"{path}.items", "items must be a schema object and not an array"))
    if place.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        causes.append(field.forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta"))
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        causes.append(field.forbidden(f"{path}.uniqueItems", detail))
    return causes


def _is_stated(schema: Object, name: str) -> bool:
    return schema.get(name) is not None if name in _STATED_WHEN_EMPTY else bool(schema.get(name))


def _additional(schema: Object, path: str) -> list[Cause]:
    extra: Any = schema.get("additionalProperties")
    if extra is None or not schema.get("properties") or extra is True:
        return []
    return [field.forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")]


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
