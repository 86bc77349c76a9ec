"""Single kinds of volumes that are made on the node or come from the API."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation.paths import key_to_path, mode, no_backsteps
from pilothouse.engine.apiserver.kinds.pod_validation.volume_claims import validate_claim_template
from pilothouse.engine.apiserver.kinds.quantities import amount
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def empty_dir(source: Object, path: str) -> list[Cause]:
    if amount(source.get("sizeLimit")).amount < 0:
        return [field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def secret(source: Object, path: str) -> list[Cause]:
    return _keys(source, "secretName", path)


def config_map(source: Object, path: str) -> list[Cause]:
    return _keys(source, "name", path)


def _keys(source: Object, name: str, path: str) -> list[Cause]:
    causes = [] if source.get(name) else [field.required(f"{path}.{name}")]
    causes += mode(source.get("defaultMode"), f"{path}.defaultMode")
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
    target = source.get("path") or ""
    causes = [field.required(f"{path}.{name}") for name in ("server", "path") if not source.get(name)]
    return causes if target.startswith("/") else [*causes, field.invalid(f"{path}.path", target, "must be an absolute path")]


def ephemeral(source: Object, path: str) -> list[Cause]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [field.required(f"{path}.volumeClaimTemplate")]
    return validate_claim_template(template, f"{path}.volumeClaimTemplate")


def image(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("reference") else [field.required(f"{path}.reference")]
    return causes + field.one_of(f"{path}.pullPolicy", source.get("pullPolicy") or "", PULL_POLICIES)
