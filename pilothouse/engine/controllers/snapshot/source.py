"""Of which volume a snapshot is to be taken, by which class and by whom. Pure; in upstream's words, as far as it has some.

The seam for drivers: `handle_of` says who has a volume and under which handle.
Source: kubernetes-csi/external-snapshotter pkg/common-controller/snapshot_controller.go.
"""

from collections.abc import Sequence

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.snapshots import DEFAULT_CLASS, source_claim
from pilothouse.model.volumes import LOCAL_PROVISIONER, NODE, PROVISIONED_BY, is_claimed_by


class Refused(Exception):
    """The snapshot cannot be taken or bound now. reason: of the event."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


def handle_of(volume: Object) -> tuple[str, str]:
    """(driver, handle) of a PersistentVolume; ("", "") where nobody can take snapshots of it."""
    if (csi := volume["spec"].get("csi")) is not None:
        return csi.get("driver") or "", csi.get("volumeHandle") or ""
    if meta.annotations(volume).get(PROVISIONED_BY) == LOCAL_PROVISIONER:
        return LOCAL_PROVISIONER, f"{meta.annotations(volume).get(NODE) or ''}/{meta.name(volume)}"
    return "", ""


def snapshot_class(snapshot: Object, claim: Object | None, volume: Object | None, classes: Sequence[Object]) -> Object:
    """The class that it names, else the default one of the volume's driver. Raises Refused."""
    name = snapshot["spec"].get("volumeSnapshotClassName")
    if name is not None:
        found = next((each for each in classes if meta.name(each) == name), None)
        if found is None:
            raise _failed(f'volumesnapshotclass.snapshot.storage.k8s.io "{name}" not found')
        return found
    driver, _ = handle_of(_source(snapshot, claim, volume))
    default = [each for each in classes if meta.annotations(each).get(DEFAULT_CLASS) == "true" and each.get("driver") == driver]
    if len(default) == 1:
        return default[0]
    why = f"{len(default)} default snapshot classes were found" if default else "cannot find default snapshot class"
    raise Refused("SetDefaultSnapshotClassFailed", f"Failed to set default snapshot class with error {why}")


def driver_and_handle(snapshot: Object, claim: Object | None, volume: Object | None, by: Object) -> tuple[Object, str]:
    """The volume, and its handle for the driver of the class. Raises Refused."""
    source = _source(snapshot, claim, volume)
    driver, handle = handle_of(source)
    if not handle:
        raise _failed(f"nobody can take snapshots of volume {meta.name(source)}: it is neither a CSI driver's nor of {LOCAL_PROVISIONER}")
    if driver != by.get("driver"):
        raise _failed(f"class {meta.name(by)} is of driver {by.get('driver')}, and volume {meta.name(source)} of {driver}")
    return source, handle


def _source(snapshot: Object, claim: Object | None, volume: Object | None) -> Object:
    """Raises Refused."""
    name = source_claim(snapshot)
    if claim is None:
        raise _failed(f'persistentvolumeclaim "{name}" not found')
    if meta.is_deleting(claim):
        raise _failed(f"cannot add finalizer on claim {name} because it is being deleted")
    if (claim.get("status") or {}).get("phase") != "Bound":
        raise _failed(f"the PVC {name} is not yet bound to a PV, will not attempt to take a snapshot")
    if volume is None or not is_claimed_by(volume, claim):
        raise _failed("claim in dataSource not bound or invalid")
    return volume


def _failed(why: str) -> Refused:
    return Refused("SnapshotContentCreationFailed", f"Failed to create snapshot content with error {why}")
