"""References to an object by its kind and name: what is scaled, and what a metric describes."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_NO_GROUP = "apiVersion must specify API group"


def group_of(api_version: str) -> str | None:
    """The group that an apiVersion names, "" for the core group; None for what is no apiVersion."""
    if api_version.count("/") > 1:
        return None
    return api_version.rpartition("/")[0]


def validate(reference: Object, path: str, *, needs_group: bool) -> list[Cause]:
    """needs_group: whether the core group's kinds are refused."""
    causes: list[Cause] = []
    for name in ("kind", "name"):
        value = reference.get(name) or ""
        causes += field.each_invalid(f"{path}.{name}", value, names.path_segment(value)) if value else [field.required(f"{path}.{name}")]
    version = reference.get("apiVersion") or ""
    group = group_of(version)
    if group is None:
        causes.append(field.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    elif needs_group and not group:
        causes.append(field.invalid(f"{path}.apiVersion", version, _NO_GROUP))
    return causes
