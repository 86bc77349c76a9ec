"""Claims, volumes and their classes: the class that a claim gets, the finalizers that protect what is in use, who may ask for more.

Source: kubernetes plugin/pkg/admission/storage (setdefault, storageobjectinuseprotection, persistentvolume/resize).
"""

from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.objects import Objects
from pilothouse.model import meta
from pilothouse.model.errors import Forbidden
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES, VOLUMEATTRIBUTESCLASSES
from pilothouse.model.volumes import (
    ATTRIBUTES_CLASS_PROTECTION,
    CLAIM_PROTECTION,
    VOLUME_PROTECTION,
    class_of,
    default_class,
    requested,
)

_CLAIMS, _VOLUMES = PERSISTENTVOLUMECLAIMS.plural, PERSISTENTVOLUMES.plural
_PROTECTION = {
    _CLAIMS: CLAIM_PROTECTION,
    _VOLUMES: VOLUME_PROTECTION,
    VOLUMEATTRIBUTESCLASSES.group_resource: ATTRIBUTES_CLASS_PROTECTION,
}
_NOT_BOUND = "Only bound persistent volume claims can be expanded"
_NOT_EXPANDABLE = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"


class Storage:
    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def mutate(self, write: Write) -> None:
        finalizer = _PROTECTION.get(write.group_resource)
        if finalizer is None or write.operation != "CREATE" or write.subresource:
            return
        metadata = write.new()["metadata"]
        known = metadata.get("finalizers") or []
        if finalizer not in known:
            metadata["finalizers"] = [*known, finalizer]
        if write.group_resource == _CLAIMS and class_of(write.new()) is None:
            self._set_class(write.new())

    def _set_class(self, claim: Object) -> None:
        default = default_class(self._objects.all(STORAGECLASSES))
        if default is not None:
            claim.setdefault("spec", {})["storageClassName"] = meta.name(default)

    async def validate(self, write: Write) -> None:
        if write.group_resource != _CLAIMS or write.operation != "UPDATE" or write.subresource:
            return
        claim, old = write.new(), write.old or {}
        if requested(claim) <= requested(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise Forbidden.of(_CLAIMS, write.name, _NOT_BOUND)
        found = self._objects.get(STORAGECLASSES, "", class_of(claim) or "")
        if found is None or not found.get("allowVolumeExpansion"):
            raise Forbidden.of(_CLAIMS, write.name, _NOT_EXPANDABLE)
