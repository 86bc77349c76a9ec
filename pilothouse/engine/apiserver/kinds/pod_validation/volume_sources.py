"""Single kinds of volumes."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import key_to_path, no_backsteps
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def items(source: Object, path: str) -> list[Cause]:
    causes: list[Cause] = []
    for i, item in field.until_enough(causes, enumerate(source.get("items") or ())):
        causes += key_to_path(item, f"{path}.items[{i}]")
    return causes


def host_path(source: Object, path: str) -> list[Cause]:
    target, kind = source.get("path") or "", source.get("type") or ""
    if not target:
        return [field.required(f"{path}.path")]
    causes = no_backsteps(target, f"{path}.path")
    return causes if kind in HOST_PATH_TYPES else [*causes, field.not_supported(f"{path}.type", kind, HOST_PATH_TYPES)]


def nfs(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("server") else [field.required(f"{path}.server")]
    target = source.get("path") or ""
    if not target:
        causes.append(field.required(f"{path}.path"))
    elif not target.startswith("/"):
        causes.append(field.invalid(f"{path}.path", target, "must be an absolute path"))
    return causes


def flocker(source: Object, path: str) -> list[Cause]:
    by_name, by_id = source.get("datasetName"), source.get("datasetUUID")
    if not by_name and not by_id:
        return [field.required(path, "one of datasetName and datasetUUID is required")]
    if by_name and by_id:
        return [field.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")]
    return []


def fibre_channel(source: Object, path: str) -> list[Cause]:
    by_name, by_id = source.get("targetWWNs"), source.get("wwids")
    if not by_name and not by_id:
        return [field.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")]
    if by_name and by_id:
        return [field.invalid(f"{path}.targetWWNs", by_name, "targetWWNs and wwids can not be specified simultaneously")]
    return (
        []
        if not by_name or source.get("lun") is not None
        else [field.required(f"{path}.lun", "lun is required if targetWWNs is specified")]
    )


def csi(source: Object, path: str) -> list[Cause]:
    driver = source.get("driver") or ""
    if not driver:
        return [field.required(f"{path}.driver")]
    return field.each_invalid(f"{path}.driver", driver, names.dns1123_subdomain(driver.lower()))


def ephemeral(source: Object, path: str) -> list[Cause]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [field.required(f"{path}.volumeClaimTemplate")]
    spec, here = template.get("spec") or {}, f"{path}.volumeClaimTemplate.spec"
    modes = spec.get("accessModes") or []
    causes = [] if modes else [field.required(f"{here}.accessModes", "at least 1 access mode is required")]
    causes += [field.not_supported(f"{here}.accessModes", mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        causes.append(field.required(f"{here}.resources[storage]"))
    return causes


def image(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("reference") else [field.required(f"{path}.reference")]
    policy = source.get("pullPolicy") or ""
    return causes if policy in PULL_POLICIES else [*causes, field.not_supported(f"{path}.pullPolicy", policy, PULL_POLICIES)]
