"""How CSI drivers are called, and the Secrets that their volumes name. Source: pkg/apis/core/validation (ValidateCSIDriverName)."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_NAME_MAX_BYTES = 63


def driver_name(name: str, path: str) -> list[Cause]:
    if not name:
        return [field.required(path)]
    causes = [] if len(name.encode()) <= _NAME_MAX_BYTES else [field.too_long(path, _NAME_MAX_BYTES)]
    return causes + field.each_invalid(path, name, names.dns1123_subdomain(name.lower()))


def secret_reference(reference: Object, path: str) -> list[Cause]:
    """Of a Secret in a namespace that is named beside it."""
    name, namespace = reference.get("name") or "", reference.get("namespace") or ""
    causes = field.each_invalid(f"{path}.name", name, names.dns1123_subdomain(name)) if name else [field.required(f"{path}.name")]
    if not namespace:
        return [*causes, field.required(f"{path}.namespace")]
    return causes + field.each_invalid(f"{path}.namespace", namespace, names.dns1123_label(namespace))
