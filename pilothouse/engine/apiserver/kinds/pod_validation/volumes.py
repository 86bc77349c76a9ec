"""A pod's volumes: one source each, unique names, and what the sources ask for."""

from collections.abc import Callable

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation import volume_sources as sources
from pilothouse.engine.apiserver.kinds.pod_validation.paths import mode
from pilothouse.engine.apiserver.kinds.pod_validation.projections import validate_downward, validate_projected
from pilothouse.engine.apiserver.kinds.quantities import amount
from pilothouse.model import names
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

Rule = Callable[[Object, str], list[Cause]]


def validate_volumes(volumes: list[Object], path: str) -> tuple[dict[str, Object], list[Cause]]:
    """The valid volumes by name, and what is wrong with the others."""
    valid: dict[str, Object] = {}
    causes: list[Cause] = []
    for i, volume in field.until_enough(causes, enumerate(volumes)):
        here = f"{path}[{i}]"
        name = volume.get("name") or ""
        found = _source(volume, here)
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
    return valid, causes


def _source(volume: Object, path: str) -> list[Cause]:
    given = [kind for kind in RULES if volume.get(kind) is not None] if len(volume) > 2 else [kind for kind in volume if kind in RULES]
    if not given:
        return [field.required(path, "must specify a volume type")]
    causes = RULES[given[0]](volume[given[0]], f"{path}.{given[0]}")
    return causes + [field.forbidden(f"{path}.{kind}", "may not specify more than 1 volume type") for kind in given[1:]]


def _empty_dir(source: Object, path: str) -> list[Cause]:
    if amount(source.get("sizeLimit")).amount < 0:
        return [field.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def _secret(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("secretName") else [field.required(f"{path}.secretName")]
    return causes + mode(source.get("defaultMode"), f"{path}.defaultMode") + sources.items(source, path)


def _config_map(source: Object, path: str) -> list[Cause]:
    causes = [] if source.get("name") else [field.required(f"{path}.name")]
    return causes + mode(source.get("defaultMode"), f"{path}.defaultMode") + sources.items(source, path)


def _needs(*required: str) -> Rule:
    def rule(source: Object, path: str) -> list[Cause]:
        return [field.required(f"{path}.{name}") for name in required if not source.get(name)]

    return rule


# In upstream's order: the first is taken, those after it are too many.
RULES: dict[str, Rule] = {
    "emptyDir": _empty_dir,
    "hostPath": sources.host_path,
    "gitRepo": _needs("repository"),
    "gcePersistentDisk": _needs("pdName"),
    "awsElasticBlockStore": _needs("volumeID"),
    "secret": _secret,
    "nfs": sources.nfs,
    "iscsi": _needs("targetPortal", "iqn"),
    "glusterfs": _needs("endpoints", "path"),
    "flocker": sources.flocker,
    "persistentVolumeClaim": _needs("claimName"),
    "rbd": _needs("monitors", "image"),
    "cinder": _needs("volumeID"),
    "cephfs": _needs("monitors"),
    "quobyte": _needs("registry", "volume"),
    "downwardAPI": validate_downward,
    "fc": sources.fibre_channel,
    "flexVolume": _needs("driver"),
    "configMap": _config_map,
    "azureFile": _needs("secretName", "shareName"),
    "vsphereVolume": _needs("volumePath"),
    "photonPersistentDisk": _needs("pdID"),
    "portworxVolume": _needs("volumeID"),
    "azureDisk": _needs("diskName", "diskURI"),
    "storageos": _needs("volumeName"),
    "projected": validate_projected,
    "scaleIO": _needs("gateway", "system", "secretRef", "volumeName"),
    "csi": sources.csi,
    "ephemeral": sources.ephemeral,
    "image": sources.image,
}
