"""Structural schemas: what the schema of a custom resource may say.

Source: apiextensions-apiserver pkg/apiserver/schema (structural rules) and pkg/apis/apiextensions/validation (the rest).
"""

import re
from collections.abc import Iterator
from typing import Any

from pilothouse.model.errors import Cause
from pilothouse.model.json import Object, dumps
from pilothouse.model.schema import from_crd

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_VALUE_VALIDATIONS = ("allOf", "anyOf", "oneOf")
_NOT_IN_LOGIC = ("type", "default", "description", "title", "nullable", "additionalProperties", "x-kubernetes-preserve-unknown-fields")
_RULE_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")


def _forbidden(field: str, why: str) -> Cause:
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def _required(field: str, why: str) -> Cause:
    return Cause(field, "FieldValueRequired", f"Required value: {why}")


def _invalid(field: str, value: Any, why: str) -> Cause:
    shown = f'"{value}"' if isinstance(value, str) else dumps(value).decode()
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {why}")


def _unsupported(field: str, value: str, supported: tuple[str, ...]) -> Cause:
    known = ", ".join(f'"{each}"' for each in supported)
    return Cause(field, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {known}')


def check_schema(schema: Object, path: str) -> Iterator[Cause]:
    if schema.get("nullable"):
        yield _forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    if schema.get("type") != "object":
        if not schema.get("type"):
            yield _required(f"{path}.type", "must not be empty at the root")
        else:
            yield _invalid(f"{path}.type", schema["type"], "must be object at the root")
    yield from _node(schema, path, is_root=True)


def _node(schema: Object, path: str, *, is_root: bool = False) -> Iterator[Cause]:
    """One schema that describes a value, and all below it."""
    yield from _type(schema, path, is_root)
    yield from _keywords(schema, path)
    yield from _lists(schema, path)
    yield from _logic(schema, path)
    yield from _rules(schema, path)
    if "default" in schema:
        yield from _default(schema, path)
    for name, inner in (schema.get("properties") or {}).items():
        yield from _node(inner, f"{path}.properties[{name}]")
    if isinstance(items := schema.get("items"), dict):
        yield from _node(items, f"{path}.items")
    if isinstance(additional := schema.get("additionalProperties"), dict):
        yield from _node(additional, f"{path}.additionalProperties")


def _type(schema: Object, path: str, is_root: bool) -> Iterator[Cause]:
    type = schema.get("type", "")
    int_or_string = schema.get("x-kubernetes-int-or-string")
    preserves = schema.get("x-kubernetes-preserve-unknown-fields")
    if type and type not in _TYPES:
        yield _unsupported(f"{path}.type", type, _TYPES)
    if not type and not is_root and not int_or_string and not preserves:
        place = "items" if path.endswith(".items") else "object fields"
        yield _required(f"{path}.type", f"must not be empty for specified {'array items' if place == 'items' else place}")
    if int_or_string:
        if type:
            yield _invalid(f"{path}.type", type, "must be empty if x-kubernetes-int-or-string is true")
        if preserves:
            yield _invalid(f"{path}.x-kubernetes-preserve-unknown-fields", True, "must be false if x-kubernetes-int-or-string is true")
    if schema.get("x-kubernetes-embedded-resource") and type != "object":
        yield _invalid(f"{path}.type", type, "must be object if x-kubernetes-embedded-resource is true")


def _keywords(schema: Object, path: str) -> Iterator[Cause]:
    if schema.get("$ref"):
        yield _forbidden(f"{path}.$ref", "$ref is not supported")
    if schema.get("uniqueItems"):
        yield _forbidden(f"{path}.uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic")
    if schema.get("additionalProperties") not in (None, False) and schema.get("properties"):
        yield _forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if schema.get("additionalProperties") is False:
        yield _forbidden(f"{path}.additionalProperties", "additionalProperties cannot be set to false")
    if pattern := schema.get("pattern"):
        try:
            re.compile(pattern)
        except re.error as error:
            yield _invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {error}")


def _lists(schema: Object, path: str) -> Iterator[Cause]:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    items = schema.get("items") or {}
    if kind is not None and kind not in ("atomic", "set", "map"):
        yield _unsupported(f"{path}.x-kubernetes-list-type", kind, ("atomic", "set", "map"))
    if keys and kind != "map":
        yield _invalid(f"{path}.x-kubernetes-list-type", kind, "must be map if x-kubernetes-list-map-keys is non-empty")
    if kind == "map":
        if not keys:
            yield _required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
        for key in keys:
            yield from _map_key(items, key, path)
    if kind == "set":
        if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
            yield _invalid(f"{path}.items.x-kubernetes-map-type", None, "must be atomic as item of a list with x-kubernetes-list-type=set")
        if items.get("nullable"):
            yield _forbidden(f"{path}.items.nullable", "cannot be nullable when x-kubernetes-list-type is set")
    map_type = schema.get("x-kubernetes-map-type")
    if map_type is not None and map_type not in ("atomic", "granular"):
        yield _unsupported(f"{path}.x-kubernetes-map-type", map_type, ("atomic", "granular"))


def _map_key(items: Object, key: str, path: str) -> Iterator[Cause]:
    properties = items.get("properties") or {}
    if key not in properties:
        yield _invalid(f"{path}.x-kubernetes-list-map-keys", key, "entries must all be names of item properties")
    elif "default" not in properties[key] and key not in (items.get("required") or ()):
        why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        yield _required(f"{path}.items.properties[{key}].default", why)


def _logic(schema: Object, path: str) -> Iterator[Cause]:
    """Inside allOf, anyOf, oneOf and not, only values may be judged, nothing described."""
    branches = [(f"{path}.{name}[{index}]", inner) for name in _VALUE_VALIDATIONS for index, inner in enumerate(schema.get(name) or ())]
    if isinstance(schema.get("not"), dict):
        branches.append((f"{path}.not", schema["not"]))
    is_int_or_string = schema.get("x-kubernetes-int-or-string")
    for place, branch in branches:
        for keyword in _NOT_IN_LOGIC:
            if keyword in branch and not (keyword == "type" and is_int_or_string):
                yield _forbidden(f"{place}.{keyword}", "must be undefined to be structural" if keyword == "default" else "must be empty to be structural")
        yield from _logic(branch, place)


def _rules(schema: Object, path: str) -> Iterator[Cause]:
    """The form of CEL rules; what they say is not evaluated by this server."""
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        place = f"{path}.x-kubernetes-validations[{index}]"
        if not str(rule.get("rule", "")).strip():
            yield _required(f"{place}.rule", "rule is not specified")
        message = rule.get("message")
        if isinstance(message, str) and "\n" in message:
            yield _invalid(f"{place}.message", message.replace("\n", "\\n"), "must not contain line breaks")
        if rule.get("reason") and rule["reason"] not in _RULE_REASONS:
            yield _unsupported(f"{place}.reason", rule["reason"], _RULE_REASONS)
        field = rule.get("fieldPath", "")
        if field and field.lstrip(".").partition(".")[0] not in (schema.get("properties") or {}):
            yield _invalid(f"{place}.fieldPath", field, "must be a valid path")
        if rule.get("optionalOldSelf") and "oldSelf" not in rule.get("rule", ""):
            yield _invalid(f"{place}.optionalOldSelf", True, "may not be set if oldSelf is not used in rule")


def _default(schema: Object, path: str) -> Iterator[Cause]:
    """A default must be valid itself."""
    for cause in from_crd(schema).validate(schema["default"], ""):
        yield Cause(f"{path}.default{cause.field}", cause.reason, cause.message)
