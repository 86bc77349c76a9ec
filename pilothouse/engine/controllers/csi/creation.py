"""From a claim and its class to what a driver is asked to make, and from its answer to the PersistentVolume. Pure.

Source: kubernetes-csi external-provisioner (pkg/controller/controller.go).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.engine.controllers.csi import secrets
from pilothouse.engine.controllers.csi.capabilities import capability, mode_for
from pilothouse.engine.controllers.csi.secrets import PREFIX, SecretTrouble
from pilothouse.engine.controllers.csi.topology import node_affinity
from pilothouse.engine.controllers.persistentvolume.binding import reference_to
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import PROVISIONED_BY, class_of, mode, requested, shown_bytes

FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
FOR_DELETION = "volume.kubernetes.io/provisioner-deletion-secret-{}"
IDENTITY = "storage.kubernetes.io/csiProvisionerIdentity"
_FS_TYPES = (f"{PREFIX}fstype", "fstype")
_KNOWN = frozenset(
    {
        f"{PREFIX}fstype",
        *(f"{PREFIX}{each}-secret-{part}" for each in (secrets.PROVISIONER, *secrets.OF_VOLUMES) for part in ("name", "namespace")),
    }
)


@dataclass(frozen=True, slots=True)
class Named:
    """The Secrets that the class names for this claim. provisioner: for making and removing the volume; volume: by the volume's fields."""

    provisioner: Object | None = None
    volume: Mapping[str, Object] = field(default_factory=dict)


def name_for(claim: Object) -> str:
    return f"pvc-{meta.uid(claim)}"


def named_secrets(claim: Object, storage_class: Object) -> Named:
    """Raises SecretTrouble."""
    parameters, name = storage_class.get("parameters") or {}, name_for(claim)
    found = {which: secrets.reference(parameters, which, name, claim) for which in (secrets.PROVISIONER, *secrets.OF_VOLUMES)}
    return Named(
        found[secrets.PROVISIONER],
        {column: reference for which, column in secrets.OF_VOLUMES.items() if (reference := found[which]) is not None},
    )


def parameters_for(storage_class: Object) -> dict[str, str]:
    """Those that are the driver's. Raises SecretTrouble for one with the reserved prefix that means nothing."""
    stated = storage_class.get("parameters") or {}
    if unknown := sorted(key for key in stated if key.startswith(PREFIX) and key not in _KNOWN):
        raise SecretTrouble(
            f"the class has the parameter {unknown[0]}, whose prefix is reserved and which means nothing; make a class without it"
        )
    return {key: value for key, value in stated.items() if not key.startswith(PREFIX) and key != "fstype"}


def fs_type(storage_class: Object) -> str:
    """ "" leaves it to the driver."""
    stated = storage_class.get("parameters") or {}
    return next((stated[key] for key in _FS_TYPES if stated.get(key)), "")


def request_for(
    claim: Object,
    storage_class: Object,
    can: Iterable[str],
    *,
    topology: csi.TopologyRequirement | None = None,
    source: csi.VolumeContentSource | None = None,
    attributes: Mapping[str, str] | None = None,
) -> csi.CreateVolumeRequest:
    """Without secrets. can: of the driver's controller. attributes: of the claim's VolumeAttributesClass. Raises SecretTrouble."""
    is_block = mode(claim) == "Block"
    found = csi.CreateVolumeRequest(name=name_for(claim), parameters=parameters_for(storage_class), mutable_parameters=attributes or {})
    found.capacity_range.required_bytes = requested(claim).value
    for access_mode in claim["spec"].get("accessModes") or ():
        flags = storage_class.get("mountOptions") or ()
        wanted = mode_for(access_mode, can)
        found.volume_capabilities.append(capability(wanted, is_block=is_block, fs_type=fs_type(storage_class), mount_flags=flags))
    if topology is not None:
        found.accessibility_requirements.CopyFrom(topology)
    if source is not None:
        found.volume_content_source.CopyFrom(source)
    return found


def why_not(answer: csi.CreateVolumeResponse, request: csi.CreateVolumeRequest) -> str:
    """What is wrong with a volume that the driver has made, "" when it suits."""
    made, wanted = answer.volume, request.capacity_range.required_bytes
    if not made.volume_id:
        return "the driver has made a volume without an id"
    if made.capacity_bytes and made.capacity_bytes < wanted:
        return f"the driver has made a volume of {made.capacity_bytes} bytes instead of {wanted}"
    if request.HasField("volume_content_source") and not made.HasField("content_source"):
        return "the driver has made an empty volume instead of a copy: it cannot copy volumes"
    return ""


def volume_for(claim: Object, storage_class: Object, driver: str, named: Named, made: csi.Volume) -> Object:
    """The PersistentVolume that stands for what the driver has made."""
    spec = claim["spec"]
    source: Object = {
        "driver": driver,
        "volumeHandle": made.volume_id,
        "volumeAttributes": dict(made.volume_context) | {IDENTITY: f"pilothouse-{driver}"},
        **named.volume,
    }
    if mode(claim) != "Block" and fs_type(storage_class):
        source["fsType"] = fs_type(storage_class)
    if set(spec.get("accessModes") or ()) == {"ReadOnlyMany"}:
        source["readOnly"] = True
    annotations = {PROVISIONED_BY: driver}
    if named.provisioner is not None:
        annotations |= {FOR_DELETION.format(part): named.provisioner[part] for part in ("name", "namespace")}
    optional = {
        "mountOptions": storage_class.get("mountOptions"),
        "nodeAffinity": node_affinity(made.accessible_topology),
        "volumeAttributesClassName": spec.get("volumeAttributesClassName") or None,
    }
    return {
        "metadata": {"name": name_for(claim), "annotations": annotations, "finalizers": [FINALIZER]},
        "spec": {
            "accessModes": spec.get("accessModes") or [],
            "capacity": {"storage": shown_bytes(made.capacity_bytes or requested(claim).value)},
            "claimRef": reference_to(claim),
            "csi": source,
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": class_of(claim),
            "volumeMode": mode(claim),
        }
        | {key: value for key, value in optional.items() if value},
    }


def deletion_secret(volume: Object) -> Object | None:
    """Where the Secret is by which the volume is removed; None without one."""
    stated = meta.annotations(volume)
    found = {part: stated.get(FOR_DELETION.format(part)) or "" for part in ("name", "namespace")}
    return found if all(found.values()) else None
