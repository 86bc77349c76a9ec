"""StorageClasses, PersistentVolumes and claims in a Table."""

from datetime import datetime
from typing import Any

from pilothouse.engine.apiserver.kinds.kind import NAME_COLUMN, Column
from pilothouse.engine.apiserver.kinds.printers.text import AGE_COLUMN, UNSET, age, name
from pilothouse.model.json import Object
from pilothouse.model.volumes import class_of, is_default_class

CLASS_COLUMNS = (
    NAME_COLUMN,
    Column("Provisioner", "Who makes volumes of the class."),
    Column("ReclaimPolicy", "What becomes of such a volume when its claim is gone."),
    Column("VolumeBindingMode", "When a claim gets its volume."),
    Column("AllowVolumeExpansion", "Whether claims may ask for more later."),
    AGE_COLUMN,
)
VOLUME_COLUMNS = (
    NAME_COLUMN,
    Column("Capacity", "How much the volume holds."),
    Column("Access Modes", "In which ways the volume can be mounted."),
    Column("Reclaim Policy", "What becomes of the volume when its claim is gone."),
    Column("Status", "Whether the volume is available, bound to a claim or released by one."),
    Column("Claim", "The claim that has the volume, or had it."),
    Column("StorageClass", "The class of the volume."),
    Column("VolumeAttributesClass", "The class of attributes of the volume."),
    Column("Reason", "Why the volume is in its state, when something failed."),
    AGE_COLUMN,
    Column("VolumeMode", "Whether the volume is a file system or a device.", priority=1),
)
CLAIM_COLUMNS = (
    NAME_COLUMN,
    Column("Status", "Whether the claim has its volume."),
    Column("Volume", "The volume that the claim is bound to."),
    Column("Capacity", "How much the volume holds."),
    Column("Access Modes", "In which ways the volume can be mounted."),
    Column("StorageClass", "The class of the claim."),
    Column("VolumeAttributesClass", "The class of attributes of the claim."),
    AGE_COLUMN,
    Column("VolumeMode", "Whether a file system or a device is claimed.", priority=1),
)
_SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def class_cells(obj: Object, now: datetime) -> list[Any]:
    shown = f"{name(obj)} (default)" if is_default_class(obj) else name(obj)
    provisioner, policy, mode = (obj.get(each) or "" for each in ("provisioner", "reclaimPolicy", "volumeBindingMode"))
    return [shown, provisioner, policy or "Delete", mode or "Immediate", bool(obj.get("allowVolumeExpansion")), age(obj, now)]


def volume_cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    claim = spec.get("claimRef")
    return [
        name(obj),
        (spec.get("capacity") or {}).get("storage") or "0",
        _modes(spec),
        spec.get("persistentVolumeReclaimPolicy") or "",
        "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase") or "",
        f"{claim.get('namespace') or ''}/{claim.get('name') or ''}" if claim else "",
        class_of(obj) or "",
        spec.get("volumeAttributesClassName") or UNSET,
        status.get("reason") or "",
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]


def claim_cells(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    is_bound = bool(spec.get("volumeName"))
    return [
        name(obj),
        "Terminating" if obj["metadata"].get("deletionTimestamp") else status.get("phase") or "",
        spec.get("volumeName") or "",
        (status.get("capacity") or {}).get("storage") or "0" if is_bound else "",
        _modes(status) if is_bound else "",
        class_of(obj) or "",
        spec.get("volumeAttributesClassName") or UNSET,
        age(obj, now),
        spec.get("volumeMode") or UNSET,
    ]


def _modes(holder: Object) -> str:
    stated = holder.get("accessModes") or ()
    return ",".join(short for mode, short in _SHORT.items() if mode in stated)
