"""References to fields, resources, keys of config maps and secrets: in environments and in volumes."""

import re

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.quantities import amount, is_huge_page
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_IDENTITY = ("metadata.name", "metadata.namespace", "metadata.uid")
ENVIRONMENT_FIELDS = (
    *_IDENTITY,
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", *_IDENTITY)
_KNOWN_FIELDS = frozenset({*ENVIRONMENT_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase", "spec.host"})
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SUBSCRIPTED = re.compile(r"(metadata\.(?:annotations|labels))\['(.*)'\]")


def field_ref(ref: Object, supported: tuple[str, ...], path: str) -> list[Cause]:
    version, wanted = ref.get("apiVersion") or "", ref.get("fieldPath") or ""
    if not version:
        return [field.required(f"{path}.apiVersion")]
    if not wanted:
        return [field.required(f"{path}.fieldPath")]
    if version != "v1":
        return [_unconvertible(path, wanted, f"unsupported pod version: {version}")]
    if subscripted := _SUBSCRIPTED.fullmatch(wanted):
        base, key = subscripted.groups()
        said = names.qualified_name(key.lower() if base.endswith("annotations") else key)
        return field.each_invalid(path, key, said)
    if wanted not in _KNOWN_FIELDS:
        return [_unconvertible(path, wanted, f"field label not supported: {wanted}")]
    return [] if wanted in supported else [field.not_supported(f"{path}.fieldPath", wanted, supported)]


def _unconvertible(path: str, wanted: str, why: str) -> Cause:
    return field.invalid(f"{path}.fieldPath", wanted, f"error converting fieldPath: {why}")


def resource_ref(ref: Object, path: str, *, in_volume: bool) -> list[Cause]:
    resource = ref.get("resource") or ""
    if in_volume and not ref.get("containerName"):
        return [field.required(f"{path}.containerName")]
    if not resource:
        return [field.required(f"{path}.resource")]
    plain = resource.partition(".")[2]
    if resource not in RESOURCES and not is_huge_page(plain):
        return [field.not_supported(f"{path}.resource", resource, RESOURCES)]
    return _divisor(ref, plain, path)


def _divisor(ref: Object, resource: str, path: str) -> list[Cause]:
    divisor = amount(ref.get("divisor"))
    allowed = _CPU_DIVISORS if resource == "cpu" else _BYTE_DIVISORS
    if divisor.is_zero or str(divisor) in allowed:
        return []
    shown = ", ".join(allowed)
    return [field.invalid(f"{path}.divisor", resource, f"only divisor's values {shown} are supported with the {resource} resource")]


def key_selector(ref: Object, path: str) -> list[Cause]:
    name, key = ref.get("name") or "", ref.get("key") or ""
    causes = field.each_invalid(f"{path}.name", name, names.dns1123_subdomain(name))
    if not key:
        return [*causes, field.required(f"{path}.key")]
    return causes + field.each_invalid(f"{path}.key", key, names.config_map_key(key))
