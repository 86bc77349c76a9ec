"""The objects of a claim and a volume that belong to each other, as they are to be. Pure; each None when nothing is to be written.

Source: kubernetes pkg/controller/volume/persistentvolume/pv_controller.go (bind, bindVolumeToClaim, bindClaimToVolume).
"""

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.volumes import BIND_COMPLETED, BOUND_BY_CONTROLLER, is_claimed_by


def reference_to(claim: Object) -> Object:
    found = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta.namespace(claim), "name": meta.name(claim)}
    return found | {"uid": meta.uid(claim), "resourceVersion": meta.resource_version(claim)}


def bound_volume(volume: Object, claim: Object) -> Object | None:
    """Annotated when it is we who bind it: what a user has bound stays so when its claim is gone."""
    reference = volume["spec"].get("claimRef")
    if is_claimed_by(volume, claim) and (reference or {}).get("uid"):
        return None
    bound = volume | {"spec": volume["spec"] | {"claimRef": reference_to(claim)}}
    return bound if reference is not None else annotated(bound, BOUND_BY_CONTROLLER)


def bound_claim(claim: Object, volume: Object) -> Object | None:
    bound = claim
    if claim["spec"].get("volumeName") != meta.name(volume):
        bound = annotated(bound | {"spec": bound["spec"] | {"volumeName": meta.name(volume)}}, BOUND_BY_CONTROLLER)
    if BIND_COMPLETED not in meta.annotations(bound):
        bound = annotated(bound, BIND_COMPLETED)
    return None if bound is claim else bound


def volume_status(volume: Object, phase: str, reason: str = "", message: str = "") -> Object | None:
    status = volume.get("status") or {}
    if (status.get("phase"), status.get("reason") or "", status.get("message") or "") == (phase, reason, message):
        return None
    kept = {key: value for key, value in status.items() if key not in ("reason", "message")}
    said = {key: value for key, value in (("reason", reason), ("message", message)) if value}
    return volume | {"status": kept | {"phase": phase} | said}


def claim_status(claim: Object, phase: str, volume: Object | None = None) -> Object | None:
    """The size is that of the volume when it is bound; what becomes of it later is the expansion's to say."""
    status = claim.get("status") or {}
    if volume is None:
        if status.get("phase") == phase and not (status.get("capacity") or status.get("accessModes")):
            return None
        kept = {key: value for key, value in status.items() if key not in ("capacity", "accessModes")}
        return claim | {"status": kept | {"phase": phase}}
    wanted = status | {"phase": phase, "accessModes": volume["spec"].get("accessModes") or []}
    if status.get("phase") != phase or not status.get("capacity"):
        wanted["capacity"] = volume["spec"].get("capacity") or {}
        if name := volume["spec"].get("volumeAttributesClassName"):
            wanted["currentVolumeAttributesClassName"] = name
    return None if wanted == status else claim | {"status": wanted}


def annotated(obj: Object, name: str, value: str = "yes") -> Object:
    metadata = obj["metadata"]
    return obj | {"metadata": metadata | {"annotations": meta.annotations(obj) | {name: value}}}


def unannotated(obj: Object, name: str) -> Object:
    metadata = obj["metadata"]
    return obj | {"metadata": metadata | {"annotations": {key: value for key, value in meta.annotations(obj).items() if key != name}}}
