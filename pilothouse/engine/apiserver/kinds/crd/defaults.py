"""Defaults inside a schema must themselves be valid and hold nothing that would be pruned.

Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go.
"""

from copy import deepcopy

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object
from pilothouse.model.schema import from_crd

_NOWHERE = ("", "<nil>")


def validate_defaults(schema: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if schema.get("default") is not None:
        causes += _default(schema, f"{path}.default")
    for name, below in (schema.get("properties") or {}).items():
        causes += validate_defaults(below, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            causes += validate_defaults(schema[name], f"{path}.{name}")
    return causes


def _default(schema: Object, path: str) -> list[Cause]:
    value, judge = schema["default"], from_crd(schema)
    causes: list[Cause] = []
    if isinstance(value, dict):
        pruned = deepcopy(value)
        judge.prune(pruned)
        if pruned != value:
            causes.append(field.invalid(path, value, "must not have unknown fields"))
    for cause in judge.validate(value):
        if cause.field not in _NOWHERE or not causes:
            at = path if cause.field in _NOWHERE else f"{path}.{cause.field}"
            causes.append(Cause(at, cause.reason, cause.message))
    return causes
