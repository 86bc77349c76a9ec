"""List types of a schema: sets and maps, and what their items must look like to be told apart."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

LIST_TYPES = ("atomic", "set", "map")
_TYPE, _KEYS = "x-kubernetes-list-type", "x-kubernetes-list-map-keys"


def validate_lists(schema: Object, path: str) -> list[Cause]:
    list_type, keys, kind = schema.get(_TYPE), schema.get(_KEYS) or [], schema.get("type") or ""
    items = schema.get("items") if isinstance(schema.get("items"), dict) else None
    causes: list[Cause] = []
    if list_type is not None and kind != "array":
        detail = f"must be array if {_TYPE} is specified"
        causes.append(field.invalid(f"{path}.type", kind, detail) if kind else field.required(f"{path}.type", detail))
    elif list_type == "set" and items is not None:
        causes += _atomic(items, f"{path}.items")
    if list_type is not None and list_type not in LIST_TYPES:
        causes.append(field.not_supported(f"{path}.{_TYPE}", list_type, LIST_TYPES))
    if keys and list_type != "map":
        detail = f"must be map if {_KEYS} is non-empty"
        causes.append(
            field.required(f"{path}.{_TYPE}", detail) if list_type is None else field.invalid(f"{path}.{_TYPE}", list_type, detail)
        )
    if list_type == "map":
        causes += _map(items, keys, path)
    if list_type in ("set", "map") and items is not None:
        causes += _never_null(items, keys if list_type == "map" else [], list_type, f"{path}.items")
    return causes


def _atomic(items: Object, path: str) -> list[Cause]:
    """Items that are compared as a whole."""
    causes: list[Cause] = []
    for kind, name in (("object", "x-kubernetes-map-type"), ("array", _TYPE)):
        allowed = (None, "atomic") if kind == "array" else ("atomic",)
        if items.get("type") == kind and items.get(name) not in allowed:
            detail = f"must be atomic as item of a list with {_TYPE}=set"
            causes.append(field.invalid(f"{path}.{name}", items.get(_TYPE), detail))
    return causes


def _map(items: Object | None, keys: list[str], path: str) -> list[Cause]:
    causes = [] if keys else [field.required(f"{path}.{_KEYS}", f"must not be empty if {_TYPE} is map")]
    if items is None:
        return [*causes, field.required(f"{path}.items", f"must have a schema if {_TYPE} is map")]
    if items.get("type") != "object":
        detail = f"must be object if parent array's {_TYPE} is map"
        return [*causes, field.invalid(f"{path}.items.type", items.get("type") or "", detail)]
    unique = field.Unique()
    for key in field.until_enough(causes, keys):
        meant = (items.get("properties") or {}).get(key)
        if meant is None:
            causes.append(field.invalid(f"{path}.{_KEYS}", keys, "entries must all be names of item properties"))
        elif meant.get("type") in ("array", "object"):
            detail = f"must be a scalar type if parent array's {_TYPE} is map"
            causes.append(field.invalid(f"{path}.items.properties[{key}].type", items["type"], detail))
        if unique.repeats(key):
            causes.append(field.invalid(f"{path}.{_KEYS}", keys, "must not contain duplicate entries"))
    return causes


def _never_null(items: Object, keys: list[str], list_type: str, path: str) -> list[Cause]:
    """What tells items apart is there in each of them."""
    causes: list[Cause] = []
    if items.get("nullable"):
        causes.append(field.forbidden(f"{path}.nullable", f"cannot be nullable when {_TYPE} is {list_type}"))
    required = frozenset(items.get("required") or ())
    for key in field.until_enough(causes, keys):
        meant, here = (items.get("properties") or {}).get(key), f"{path}.properties[{key}]"
        if meant is None:
            continue
        if meant.get("default") is None and key not in required:
            detail = f"this property is in {_KEYS}, so it must have a default or be a required property"
            causes.append(field.required(f"{here}.default", detail))
        if meant.get("nullable"):
            causes.append(field.forbidden(f"{here}.nullable", f"this property is in {_KEYS}, so it cannot be nullable"))
    return causes
