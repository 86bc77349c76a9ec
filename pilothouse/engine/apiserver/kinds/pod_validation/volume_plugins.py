"""Volumes of storage systems that are reached from the node: what each must say, and in which form.

None of them can be mounted here; they are judged as upstream judges them before they are refused.
Source: pkg/apis/core/validation/validation.go (validate*VolumeSource).
"""

import re
from collections.abc import Callable

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import descending
from pilothouse.engine.apiserver.kinds.storage.csi.names import driver_name
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

Rule = Callable[[Object, str], list[Cause]]

_PARTITION_MAX = _LUN_MAX = 255
_TENANT_MAX = 64
_REGISTRY = "must be a host:port pair or multiple pairs separated by commas"
_PREFIXES = ("iqn", "eui", "naa")
_IQN = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.[A-Za-z0-9.-]+(:[^,;*&$|\s]+)\Z"),
    "eui": re.compile(r"\Aeui.[A-Za-z0-9]{16}\Z"),
    "naa": re.compile(r"\Anaa.[A-Za-z0-9]{32}\Z"),
}
_CACHING, _DISK_KINDS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
_MANAGED_URI = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def needs(*required: str) -> Rule:
    """A rule that only asks for fields to be there."""

    def rule(source: Object, path: str) -> list[Cause]:
        return [field.required(f"{path}.{name}") for name in required if not source.get(name)]

    return rule


def _named_secret(source: Object, path: str) -> list[Cause]:
    ref = source.get("secretRef")
    return [field.required(f"{path}.secretRef.name")] if ref is not None and not ref.get("name") else []


def _in_range(source: Object, name: str, most: int, path: str) -> list[Cause]:
    value = source.get(name) or 0
    return [] if 0 <= value <= most else [field.invalid(f"{path}.{name}", value, names.out_of_range(0, most))]


def git_repo(source: Object, path: str) -> list[Cause]:
    return needs("repository")(source, path) + descending(source.get("directory") or "", f"{path}.directory")


def disk(required: str) -> Rule:
    """A disk of a cloud, of which a partition may be named."""

    def rule(source: Object, path: str) -> list[Cause]:
        partition = source.get("partition") or 0
        causes = needs(required)(source, path)
        if not 0 <= partition <= _PARTITION_MAX:
            causes.append(field.invalid(f"{path}.partition", partition, names.out_of_range(1, _PARTITION_MAX)))
        return causes

    return rule


def iscsi(source: Object, path: str) -> list[Cause]:
    causes = needs("targetPortal", "iqn")(source, path)
    if iqn := source.get("iqn"):
        causes += _initiator(iqn, f"{path}.iqn")
    causes += _in_range(source, "lun", _LUN_MAX, path)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        causes.append(field.required(f"{path}.secretRef"))
    if (initiator := source.get("initiatorName")) is not None:
        causes += _initiator(initiator, f"{path}.initiatorname")
    return causes


def _initiator(name: str, path: str) -> list[Cause]:
    kind = name[:3]
    if kind not in _PREFIXES:
        return [field.invalid(path, name, "must be valid format starting with iqn, eui, or naa")]
    return [] if _IQN[kind].search(name) else [field.invalid(path, name, "must be valid format")]


def flocker(source: Object, path: str) -> list[Cause]:
    by_name, by_id = source.get("datasetName") or "", source.get("datasetUUID")
    causes: list[Cause] = []
    if not by_name and not by_id:
        causes.append(field.required(path, "one of datasetName and datasetUUID is required"))
    if by_name and by_id:
        causes.append(field.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in by_name:
        causes.append(field.invalid(f"{path}.datasetName", by_name, "must not contain '/'"))
    return causes


def fibre_channel(source: Object, path: str) -> list[Cause]:
    by_name, by_id = source.get("targetWWNs"), source.get("wwids")
    causes: list[Cause] = []
    if not by_name and not by_id:
        causes.append(field.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if by_name and by_id:
        causes.append(field.invalid(f"{path}.targetWWNs", by_name, "targetWWNs and wwids can not be specified simultaneously"))
    if by_name and source.get("lun") is None:
        causes.append(field.required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    return causes + (_in_range(source, "lun", _LUN_MAX, path) if by_name else [])


def quobyte(source: Object, path: str) -> list[Cause]:
    registry = source.get("registry") or ""
    causes: list[Cause] = []
    if not registry:
        causes.append(field.required(f"{path}.registry", _REGISTRY))
    elif len(source.get("tenant") or "") > _TENANT_MAX:
        causes.append(field.required(f"{path}.tenant", f"must be a UUID and may not exceed a length of {_TENANT_MAX} characters"))
    else:
        pairs = field.until_enough(causes, registry.split(","))
        causes += [field.invalid(f"{path}.registry", registry, _REGISTRY) for pair in pairs if not _is_host_and_port(pair)]
    return causes + needs("volume")(source, path)


def _is_host_and_port(pair: str) -> bool:
    host, colon, _ = pair.rpartition(":")
    return bool(colon) and ("[" in host or ":" not in host)


def cinder(source: Object, path: str) -> list[Cause]:
    return needs("volumeID")(source, path) + _named_secret(source, path)


def flex(source: Object, path: str) -> list[Cause]:
    causes = needs("driver")(source, path)
    for key in field.until_enough(causes, source.get("options") or ()):
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            causes.append(field.invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved"))
    return causes


def azure_disk(source: Object, path: str) -> list[Cause]:
    uri, kind = source.get("diskURI") or "", source.get("kind")
    causes = needs("diskName", "diskURI")(source, path)
    causes += field.none_or_one_of(f"{path}.cachingMode", source.get("cachingMode"), _CACHING)
    causes += field.none_or_one_of(f"{path}.kind", kind, _DISK_KINDS)
    start, shown = ("/subscriptions/", _MANAGED_URI) if kind == "Managed" else ("https://", _BLOB_URI)
    if kind is not None and not uri.startswith(start):
        causes.append(field.not_supported(f"{path}.diskURI", uri, (shown,)))
    return causes


def storage_os(source: Object, path: str) -> list[Cause]:
    name, namespace = source.get("volumeName") or "", source.get("volumeNamespace") or ""
    causes = field.each_invalid(f"{path}.volumeName", name, names.dns1123_label(name)) if name else [field.required(f"{path}.volumeName")]
    if namespace:
        causes += field.each_invalid(f"{path}.volumeNamespace", namespace, names.dns1123_label(namespace))
    return causes + _named_secret(source, path)


def csi(source: Object, path: str) -> list[Cause]:
    driver, secret = source.get("driver") or "", source.get("nodePublishSecretRef")
    causes = driver_name(driver, f"{path}.driver")
    if secret is not None:
        name = secret.get("name") or ""
        said = field.each_invalid(f"{path}.name", name, names.dns1123_subdomain(name))
        causes += said if name else [field.required(f"{path}.nodePublishSecretRef.name")]
    return causes
