"""A pod's volumes: one source each, unique names, and what the sources ask for."""

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation import volume_plugins as plugins
from pilothouse.engine.apiserver.kinds.pod_validation import volume_sources as sources
from pilothouse.engine.apiserver.kinds.pod_validation.projections import validate_downward, validate_projected
from pilothouse.engine.apiserver.kinds.pod_validation.volume_plugins import Rule, needs
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_ISCSI_NAME_MAX = 64
_TOO_LONG_FOR_ISCSI = (
    f"Total length of <volume name>:<iscsi.targetPortal> must be under {_ISCSI_NAME_MAX} characters if iscsi.initiatorName is specified."
)
_OF_AN_EPHEMERAL_VOLUME = "must not reference a PVC that gets created for an ephemeral volume"


def validate_volumes(volumes: list[Object], path: str, pod_name: str = "") -> tuple[dict[str, Object], list[Cause]]:
    """The valid volumes by name, and what is wrong with the others. pod_name: "" in a template."""
    valid: dict[str, Object] = {}
    causes: list[Cause] = []
    claims = {f"{pod_name}-{volume.get('name') or ''}" for volume in volumes if pod_name and volume.get("ephemeral") is not None}
    for i, volume in field.until_enough(causes, enumerate(volumes)):
        here = f"{path}[{i}]"
        name = volume.get("name") or ""
        found = _source(volume, here, pod_name)
        if not name:
            found.append(field.required(f"{here}.name"))
        elif said := names.dns1123_label(name):
            found += field.each_invalid(f"{here}.name", name, said)
        if name in valid:
            found.append(field.duplicate(f"{here}.name", name))
        if found:
            causes += found
        else:
            valid[name] = volume
        if claims and (claim := (volume.get("persistentVolumeClaim") or {}).get("claimName")) in claims:
            causes.append(field.invalid(f"{here}.persistentVolumeClaim.claimName", claim, _OF_AN_EPHEMERAL_VOLUME))
    return valid, causes


def _source(volume: Object, path: str, pod_name: str) -> list[Cause]:
    given = [kind for kind in RULES if volume.get(kind) is not None] if len(volume) > 2 else [kind for kind in volume if kind in RULES]
    if not given:
        return [field.required(path, "must specify a volume type")]
    kind = given[0]
    causes = RULES[kind](volume[kind], f"{path}.{_JUDGED_AS.get(kind, kind)}")
    causes += _names(volume, path, pod_name)
    return causes + [
        field.forbidden(f"{path}.{_ONE_TOO_MANY_AS.get(other, other)}", "may not specify more than 1 volume type") for other in given[1:]
    ]


def _names(volume: Object, path: str, pod_name: str) -> list[Cause]:
    """Names that are made of the volume's must be names, too."""
    name, iscsi = volume.get("name") or "", volume.get("iscsi") or {}
    if iscsi.get("initiatorName") is not None and len(f"{name}:{iscsi.get('targetPortal') or ''}".encode()) > _ISCSI_NAME_MAX:
        return [field.invalid(f"{path}.name", name, _TOO_LONG_FOR_ISCSI)]
    if volume.get("ephemeral") is None or not pod_name or not name:
        return []
    claim = f"{pod_name}-{name}"
    return [field.invalid(f"{path}.name", name, f"PVC name {field.shown(claim)}: {text}") for text in names.dns1123_subdomain(claim)]


# Fields that upstream reports under another name than their own: when it judges them, and when they are one too many.
_JUDGED_AS = {"gcePersistentDisk": "persistentDisk"}
_ONE_TOO_MANY_AS = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}

# In upstream's order: the first is taken, those after it are too many.
RULES: dict[str, Rule] = {
    "emptyDir": sources.empty_dir,
    "hostPath": sources.host_path,
    "gitRepo": plugins.git_repo,
    "gcePersistentDisk": plugins.disk("pdName"),
    "awsElasticBlockStore": plugins.disk("volumeID"),
    "secret": sources.secret,
    "nfs": sources.nfs,
    "iscsi": plugins.iscsi,
    "glusterfs": needs("endpoints", "path"),
    "flocker": plugins.flocker,
    "persistentVolumeClaim": needs("claimName"),
    "rbd": needs("monitors", "image"),
    "cinder": plugins.cinder,
    "cephfs": needs("monitors"),
    "quobyte": plugins.quobyte,
    "downwardAPI": validate_downward,
    "fc": plugins.fibre_channel,
    "flexVolume": plugins.flex,
    "configMap": sources.config_map,
    "azureFile": needs("secretName", "shareName"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": plugins.azure_disk,
    "storageos": plugins.storage_os,
    "projected": validate_projected,
    "scaleIO": needs("gateway", "system", "volumeName"),
    "csi": plugins.csi,
    "ephemeral": sources.ephemeral,
    "image": sources.image,
}
