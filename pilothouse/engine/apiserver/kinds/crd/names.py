"""How a custom resource is called."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_MIXED = "may have mixed case, but should otherwise match: "


def validate_names(wanted: Object, path: str) -> list[Cause]:
    """Only what is given; what must be given is the spec's to say."""
    causes: list[Cause] = []
    for name in ("plural", "singular"):
        causes += _label(wanted.get(name) or "", f"{path}.{name}")
    for name in ("kind", "listKind"):
        value = wanted.get(name) or ""
        if value and (said := names.dns1035_label(value.lower())):
            causes.append(field.invalid(f"{path}.{name}", value, _MIXED + ",".join(said)))
    for name in ("shortNames", "categories"):
        for i, value in enumerate(wanted.get(name) or ()):
            causes += _label(value, f"{path}.{name}[{i}]", required=True)
    if wanted.get("kind") and wanted["kind"] == wanted.get("listKind"):
        causes.append(field.invalid(f"{path}.listKind", wanted["listKind"], "kind and listKind may not be the same"))
    return causes


def _label(value: str, path: str, *, required: bool = False) -> list[Cause]:
    if not value and not required:
        return []
    said = names.dns1035_label(value)
    return [field.invalid(path, value, ",".join(said))] if said else []
