"""List types of a schema: sets and maps, and what their items must look like to be told apart."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

LIST_TYPES = ("atomic", "set", "map")
SCALARS = ("string", "integer", "number", "boolean")
_TYPE, _KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"


def validate_lists(schema: Object, path: str) -> list[Cause]:
    list_type, keys, kind = schema.get(_TYPE), schema.get(_KEYS) or [], schema.get("type") or ""
    causes: list[Cause] = []
    if list_type is not None and kind != "array":
        detail = f"must be array if {_TYPE} is specified"
        causes.append(field.invalid(f"{path}.type", kind, detail) if kind else field.required(f"{path}.type", detail))
    if list_type is not None and list_type not in LIST_TYPES:
        causes.append(field.not_supported(f"{path}.{_TYPE}", list_type, LIST_TYPES))
    if keys and list_type != "map":
        detail = f"must be map if {_KEYS} is non-empty"
        causes.append(
            field.required(f"{path}.{_TYPE}", detail) if list_type is None else field.invalid(f"{path}.{_TYPE}", list_type, detail)
        )
    if list_type == "map":
        causes += _map(schema, keys, path)
    elif list_type == "set":
        causes += _set(schema.get("items") or {}, f"{path}.items")
    return causes


def _map(schema: Object, keys: list[str], path: str) -> list[Cause]:
    causes = [] if keys else [field.required(f"{path}.{_KEYS}", f"must not be empty if {_TYPE} is map")]
    items = schema.get("items")
    if not isinstance(items, dict):
        return [*causes, field.required(f"{path}.items", f"must have a schema if {_TYPE} is map")]
    if items.get("type") != "object":
        detail = f"must be object if parent array's {_TYPE} is map"
        causes.append(field.invalid(f"{path}.items.type", items.get("type") or "", detail))
    seen: set[str] = set()
    required = frozenset(items.get("required") or ())
    for i, key in enumerate(keys):
        if key in seen:
            causes.append(field.duplicate(f"{path}.{_KEYS}[{i}]", key))
        seen.add(key)
        causes += _key(key, keys, items, path, is_required=key in required)
    return causes


def _key(key: str, keys: list[str], items: Object, path: str, *, is_required: bool) -> list[Cause]:
    meant, here = (items.get("properties") or {}).get(key), f"{path}.items.properties[{key}]"
    if meant is None:
        return [field.invalid(f"{path}.{_KEYS}", keys, "entries must all be names of item properties")]
    causes: list[Cause] = []
    if meant.get("type") not in SCALARS:
        detail = f"must be a scalar type if parent array's {_TYPE} is map"
        causes.append(field.invalid(f"{here}.type", meant.get("type") or "", detail))
    if meant.get("nullable"):
        causes.append(field.forbidden(f"{here}.nullable", "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"))
    if meant.get("default") is None and not is_required:
        detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
        causes.append(field.required(f"{here}.default", detail))
    return causes


def _set(items: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    if items.get("nullable"):
        causes.append(field.forbidden(f"{path}.nullable", f"cannot be nullable when {_TYPE} is set"))
    for kind, name in (("object", "x-kubernetes-map-type"), ("array", _TYPE)):
        allowed = (None, "atomic") if kind == "array" else ("atomic",)
        if items.get("type") == kind and items.get(name) not in allowed:
            causes.append(field.invalid(f"{path}.{name}", None, f"must be atomic as item of a list with {_TYPE}=set"))
    return causes
