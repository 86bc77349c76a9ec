"""What a PersistentVolume is made of: the sources, and what each must say. In upstream's order.

Those that are judged here beyond their required fields can be mounted; the others are refused by the table of supported fields.
Source: pkg/apis/core/validation (validatePersistentVolumeSpec).
"""

from collections.abc import Mapping

from pilothouse.engine.apiserver.kinds import field
from pilothouse.engine.apiserver.kinds.pod_validation import volume_plugins as plugins
from pilothouse.engine.apiserver.kinds.pod_validation import volume_sources as sources
from pilothouse.engine.apiserver.kinds.pod_validation.paths import no_backsteps
from pilothouse.engine.apiserver.kinds.pod_validation.volume_plugins import Rule, needs
from pilothouse.engine.apiserver.kinds.storage.csi.names import driver_name, secret_reference
from pilothouse.model.errors import Cause
from pilothouse.model.json import Object

_CSI_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")
"""The one of `nodeStageSecretRef` upstream does not look at."""


def _local(source: Object, path: str) -> list[Cause]:
    target = source.get("path") or ""
    return no_backsteps(target, f"{path}.path") if target else [field.required(f"{path}.path")]


def _csi(source: Object, path: str) -> list[Cause]:
    causes = driver_name(source.get("driver") or "", f"{path}.driver")
    if not source.get("volumeHandle"):
        causes.append(field.required(f"{path}.volumeHandle"))
    for name in _CSI_SECRETS:
        if (reference := source.get(name)) is not None:
            causes += secret_reference(reference, f"{path}.{name}")
    return causes


RULES: Mapping[str, Rule] = {
    "hostPath": sources.host_path,
    "gcePersistentDisk": plugins.disk("pdName"),
    "awsElasticBlockStore": plugins.disk("volumeID"),
    "glusterfs": needs("endpoints", "path"),
    "flocker": plugins.flocker,
    "nfs": sources.nfs,
    "rbd": needs("monitors", "image"),
    "quobyte": plugins.quobyte,
    "cephfs": needs("monitors"),
    "iscsi": plugins.iscsi,
    "cinder": plugins.cinder,
    "fc": plugins.fibre_channel,
    "flexVolume": plugins.flex,
    "azureFile": needs("secretName", "shareName"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": plugins.azure_disk,
    "scaleIO": needs("gateway", "system", "volumeName"),
    "local": _local,
    "storageos": plugins.storage_os,
    "csi": _csi,
}
