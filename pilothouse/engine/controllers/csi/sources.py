"""What a new volume is to be a copy of: the claim or the snapshot that its own claim names. Reads only.

Source: kubernetes-csi external-provisioner (getVolumeContentSource).
"""

from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.engine.controllers.csi.finalizers import IN_THE_MAKING
from pilothouse.engine.controllers.persistentvolume.clones import volume_to_clone
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from pilothouse.model.quantity import Quantity
from pilothouse.model.snapshots import MODE_CHANGE, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS
from pilothouse.model.volumes import capacity, mode, requested


class SourceTrouble(Exception):
    """The source cannot be copied: a sentence. is_waited_for: it may be there in a moment."""

    def __init__(self, why: str, *, is_waited_for: bool = False) -> None:
        super().__init__(why)
        self.is_waited_for = is_waited_for


def reference(claim: Object) -> Object | None:
    spec = claim["spec"]
    found: Object | None = spec.get("dataSourceRef") or spec.get("dataSource")
    return found


def is_for_others(stated: Object) -> bool:
    """Whether it is something that a populator of somebody else's fills the volume from."""
    return (stated.get("apiGroup") or "", stated.get("kind")) not in (
        ("", PERSISTENTVOLUMECLAIMS.kind),
        (VOLUMESNAPSHOTS.group, VOLUMESNAPSHOTS.kind),
    )


class Sources:
    """claims, volumes: where copies of claims are looked up; snapshots are asked for, as only clusters that have them know the kind."""

    def __init__(self, client: Client, claims: Informer, volumes: Informer) -> None:
        self._client = client
        self._claims = claims
        self._volumes = volumes

    async def of(self, claim: Object, driver: str) -> csi.VolumeContentSource | None:
        """None for an empty volume. Raises SourceTrouble, or ApiError when it cannot be asked for."""
        stated = reference(claim)
        if stated is None:
            return None
        namespace = stated.get("namespace") or meta.namespace(claim)
        if namespace != meta.namespace(claim):
            raise SourceTrouble(
                "a volume is copied from claims and snapshots of its claim's own namespace; leave dataSourceRef.namespace out"
            )
        if stated.get("kind") == PERSISTENTVOLUMECLAIMS.kind:
            return self._of_claim(claim, stated["name"], driver)
        return await self._of_snapshot(claim, stated["name"], driver)

    def _of_claim(self, claim: Object, name: str, driver: str) -> csi.VolumeContentSource:
        source = self._claims.get(f"{meta.namespace(claim)}/{name}")
        volume = None if source is None else volume_to_clone(source, self._volumes)
        if source is None or volume is None:
            raise SourceTrouble(f"claim {name}, which is to be copied, has no volume yet", is_waited_for=True)
        if meta.is_deleting(source) and IN_THE_MAKING not in meta.finalizers(claim):
            raise SourceTrouble(f"claim {name}, which is to be copied, is being deleted; name another one")
        found = names.source_of(volume) or {}
        if found.get("driver") != driver:
            raise SourceTrouble(f"the volume of claim {name} is not one of driver {driver}, which copies its own volumes only")
        if mode(source) != mode(claim):
            raise SourceTrouble(f"claim {name} has volumeMode {mode(source)}, and its copy cannot have another")
        _check_size(claim, capacity(volume), f"claim {name}")
        return csi.VolumeContentSource(volume=csi.VolumeContentSource.VolumeSource(volume_id=found["volumeHandle"]))

    async def _of_snapshot(self, claim: Object, name: str, driver: str) -> csi.VolumeContentSource:
        snapshot = await self._client.get_or_none(VOLUMESNAPSHOTS, name, meta.namespace(claim)) or {}
        status = snapshot.get("status") or {}
        if not status.get("readyToUse") or not status.get("boundVolumeSnapshotContentName"):
            raise SourceTrouble(f"snapshot {name} is not ready", is_waited_for=True)
        content = await self._client.get_or_none(VOLUMESNAPSHOTCONTENTS, status["boundVolumeSnapshotContentName"]) or {}
        spec, taken = content.get("spec") or {}, content.get("status") or {}
        bound = spec.get("volumeSnapshotRef") or {}
        if bound.get("uid") != meta.uid(snapshot):
            raise SourceTrouble(f"the content of snapshot {name} belongs to another snapshot")
        if spec.get("driver") != driver:
            raise SourceTrouble(f"snapshot {name} is one of driver {spec.get('driver')}, and only that one can restore it")
        may_differ = meta.annotations(content).get(MODE_CHANGE) == "true"
        if spec.get("sourceVolumeMode") not in (None, mode(claim)) and not may_differ:
            raise SourceTrouble(f"snapshot {name} was taken with volumeMode {spec['sourceVolumeMode']}, and its copy cannot have another")
        handle = taken.get("snapshotHandle")
        if not handle:
            raise SourceTrouble(f"snapshot {name} has no handle yet", is_waited_for=True)
        _check_size(claim, Quantity.of(taken.get("restoreSize") or 0), f"snapshot {name}")
        return csi.VolumeContentSource(snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id=handle))


def _check_size(claim: Object, has: Quantity, what: str) -> None:
    if requested(claim) < has:
        raise SourceTrouble(f"the claim asks for {requested(claim)}, and {what} has {has}; ask for as much at least")
