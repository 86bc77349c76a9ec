"""Removes volumes: the other half of what external-provisioner does, for drivers that have no provisioner of their own.

    PersistentVolume that is released and to be deleted    -> DeleteVolume, then it may go

A volume that is attached anywhere is not removed; one that is to be retained only loses the finalizer by which it was kept for the driver.
Source: sigs.k8s.io/sig-storage-lib-external-provisioner.
"""

import asyncio

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Stop
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.csi import creation, finalizers, secrets
from pilothouse.engine.controllers.csi.drivers import Drivers, Instance
from pilothouse.engine.controllers.csi.secrets import SecretTrouble
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import NotFound, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMES, VOLUMEATTACHMENTS
from pilothouse.model.volumes import PROVISIONED_BY

PART = "provisioner"
KEPT = "VolumeFailedDelete"


class Reclaimer:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, drivers: Drivers) -> None:
        self._client = client
        self._recorder = recorder
        self._drivers = drivers
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._attachments = informers.of(VOLUMEATTACHMENTS, indexes={"csi volume": _volume_of})
        self._removing = Controller("csi reclaiming", self.reclaim, workers=16)
        self._removing.watches(self._volumes, lambda volume: meta.name(volume) if names.source_of(volume) else None)
        self._removing.watches(self._attachments, _volume_of)
        self._removing.watches(drivers.objects, self._volumes_of)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._removing.run(ready)

    def _volumes_of(self, driver: Object) -> list[str]:
        return [meta.name(each) for each in self._volumes.items() if (names.source_of(each) or {}).get("driver") == meta.name(driver)]

    async def reclaim(self, name: str) -> float | None:
        volume = self._volumes.get(name)
        source = names.source_of(volume) if volume is not None else None
        if volume is None or source is None or meta.annotations(volume).get(PROVISIONED_BY) != source["driver"]:
            return None
        if not self._drivers.does(source["driver"], PART):
            return None
        if volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
            if meta.is_deleting(volume):
                await finalizers.take(self._client, PERSISTENTVOLUMES, volume, creation.FINALIZER)
            return None
        # The cache may not know yet that it is to be retained, and what is removed is gone.
        if _is_to_go(volume) and _is_to_go(await self._client.get_or_none(PERSISTENTVOLUMES, name)):
            await self._remove(volume, source)
        return None

    async def _remove(self, volume: Object, source: Object) -> None:
        name = meta.name(volume)
        if attached := self._attachments.by_index("csi volume", name):
            node = attached[0]["spec"].get("nodeName")
            raise Stop(f"persistentvolume {name} is still attached to node {node}")  # Its attachment's end brings it here again.
        try:
            instance = await self._drivers.near(source["driver"], volume=volume)
            known = await secrets.read(self._client, creation.deletion_secret(volume))
            await delete_volume(self._drivers, instance, source["volumeHandle"], known)
        except (CsiFailure, SecretTrouble) as error:
            self._recorder.say(volume, "Warning", KEPT, str(error))
            raise Unavailable(str(error)) from error
        if not meta.is_deleting(volume):
            try:
                await self._client.delete(PERSISTENTVOLUMES, name, uid=meta.uid(volume))
            except NotFound:
                return
        found = await self._client.get_or_none(PERSISTENTVOLUMES, name)
        if found is not None:
            await finalizers.take(self._client, PERSISTENTVOLUMES, found, creation.FINALIZER)


def _is_to_go(volume: Object | None) -> bool:
    """Whether the driver is to remove it: by its policy, and as no claim has it any more."""
    if volume is None or volume["spec"].get("persistentVolumeReclaimPolicy") != "Delete":
        return False
    if (volume.get("status") or {}).get("phase") not in ("Released", "Failed"):
        return False
    return not meta.is_deleting(volume) or creation.FINALIZER in meta.finalizers(volume)


async def delete_volume(drivers: Drivers, instance: Instance, handle: str, known: dict[str, str]) -> None:
    """known: the Secret for it. Nothing for a volume without a handle. Raises CsiFailure, Retry."""
    if handle:
        await drivers.call(instance, methods.DELETE_VOLUME, csi.DeleteVolumeRequest(volume_id=handle, secrets=known))


def _volume_of(attachment: Object) -> list[str]:
    name = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
    return [name] if name else []
