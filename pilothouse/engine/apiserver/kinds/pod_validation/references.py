"""References to fields, resources, keys of config maps and secrets: in environments and in volumes."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.quantities import amount
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
_OLD_NAMES = {"spec.host": "spec.nodeName"}
RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_CPU_DIVISORS = ("1m", "1")
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_CALLED = {"cpu": "cpu", "memory": "memory", "ephemeral-storage": "local ephemeral storage"}
_KEYED = ("metadata.annotations", "metadata.labels")


def field_ref(ref: Object, supported: tuple[str, ...], path: str) -> list[Cause]:
    version, wanted = ref.get("apiVersion") or "", ref.get("fieldPath") or ""
    if not version:
        return [field.required(f"{path}.apiVersion")]
    if not wanted:
        return [field.required(f"{path}.fieldPath")]
    if version != "v1":
        return [_unconvertible(path, wanted, f"unsupported pod version: {version}")]
    base, bracket, key = wanted.removesuffix("']").partition("['")
    if bracket and base and wanted.endswith("']"):
        return _keyed(base, key, wanted, path)
    if wanted not in _KNOWN_FIELDS:
        return [_unconvertible(path, wanted, f"field label not supported: {wanted}")]
    converted = _OLD_NAMES.get(wanted, wanted)
    return [] if converted in supported else [field.not_supported(f"{path}.fieldPath", converted, supported)]


def _keyed(base: str, key: str, wanted: str, path: str) -> list[Cause]:
    if base not in _KEYED:
        return [_unconvertible(path, wanted, f"field label does not support subscript: {wanted}")]
    judged = key.lower() if base == "metadata.annotations" else key
    return field.each_invalid(path, judged, names.qualified_name(judged))


def _unconvertible(path: str, wanted: str, why: str) -> Cause:
    return field.invalid(f"{path}.fieldPath", wanted, f"error converting fieldPath: {why}")


def resource_ref(ref: Object, path: str, *, in_volume: bool) -> list[Cause]:
    resource = ref.get("resource") or ""
    causes: list[Cause] = []
    if in_volume and not ref.get("containerName"):
        causes.append(field.required(f"{path}.containerName"))
    elif not resource:
        causes.append(field.required(f"{path}.resource"))
    elif resource not in RESOURCES and not resource.startswith(_HUGE_PAGES):
        causes.append(field.not_supported(f"{path}.resource", resource, RESOURCES))
    return causes + _divisor(ref, resource, path)


def _divisor(ref: Object, resource: str, path: str) -> list[Cause]:
    plain = resource.partition(".")[2]
    called = "hugepages" if resource.startswith(_HUGE_PAGES) else _CALLED.get(plain) if resource in RESOURCES else None
    divisor = amount(ref.get("divisor"))
    if called is None or divisor.is_zero or str(divisor) in (_CPU_DIVISORS if plain == "cpu" else _BYTE_DIVISORS):
        return []
    shown = "1m and 1" if plain == "cpu" else ", ".join(_BYTE_DIVISORS)
    return [field.invalid(f"{path}.divisor", resource, f"only divisor's values {shown} are supported with the {called} resource")]


def key_selector(ref: Object, path: str) -> list[Cause]:
    name, key = ref.get("name") or "", ref.get("key") or ""
    causes = field.each_invalid(f"{path}.name", name, names.dns1123_subdomain(name))
    if not key:
        return [*causes, field.required(f"{path}.key")]
    return causes + field.each_invalid(f"{path}.key", key, names.config_map_key(key))
