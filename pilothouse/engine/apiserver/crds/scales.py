"""What stands where a definition says that replicas and their selector are.

Source: apiextensions-apiserver pkg/registry/customresource/validator.go, ValidateScaleSpec and ValidateScaleStatus.
"""

from typing import Any

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_MOST_REPLICAS = 2**31 - 1
_GO_TYPES = {bool: "bool", int: "int64", float: "float64", str: "string", list: "[]interface {}", dict: "map[string]interface {}"}


class _Misplaced(Exception):
    """str(error): what stands where something else should."""


def scale_causes(obj: Object, scale: Object, *, of_status: bool = False) -> list[Cause]:
    """scale: the subresource, with paths as the definition states them. of_status: leave out what the spec says."""
    causes = [] if of_status else _replicas(obj, scale.get("specReplicasPath") or "")
    causes += _replicas(obj, scale.get("statusReplicasPath") or "")
    if path := scale.get("labelSelectorPath"):
        try:
            _find(obj, path, str, "string")
        except _Misplaced as error:
            causes.append(field.invalid(path, "", str(error)))
    return causes


def _replicas(obj: Object, path: str) -> list[Cause]:
    if not path:
        return []
    try:
        value = _find(obj, path, int, "int64")
    except _Misplaced as error:
        return [field.invalid(path, 0, str(error))]
    if value is None or 0 <= value <= _MOST_REPLICAS:
        return []
    detail = "should be a non-negative integer" if value < 0 else f"should be less than or equal to {_MOST_REPLICAS}"
    return [field.invalid(path, value, detail)]


def _find(obj: Object, path: str, wanted: type, go_name: str) -> Any:
    """The value at a path of plain names, None where there is none. Raises _Misplaced."""
    names = path.removeprefix(".").split(".")
    value: Any = obj
    for i, name in enumerate(names):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise _misplaced(names[: i + 1], value, "map[string]interface {}")
        if name not in value:
            return None
        value = value[name]
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise _misplaced(names, value, go_name)
    return value


def _misplaced(names: list[str], value: Any, wanted: str) -> _Misplaced:
    shown = "<nil>" if value is None else field.shown(value).strip('"')
    return _Misplaced(f".{'.'.join(names)} accessor error: {shown} is of the type {_GO_TYPES.get(type(value), '<nil>')}, expected {wanted}")
