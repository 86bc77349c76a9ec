"""Attaches volumes to nodes: what external-attacher does, for drivers that have no attacher of their own.

    VolumeAttachment          -> ControllerPublishVolume, then status.attached with what the driver says that the node must know
    VolumeAttachment deleting -> ControllerUnpublishVolume, then it may go; and after the last one the PersistentVolume may

Finalizers keep the attachment, and its volume, until the driver has detached; both are put there before the driver is asked, so that
nothing stays attached that nobody knows of. Level-triggered; every call may be repeated.
Source: kubernetes-csi external-attacher (pkg/controller/csi_handler.go).
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers.csi import finalizers, secrets
from pilothouse.engine.controllers.csi.drivers import Drivers, Instance
from pilothouse.engine.controllers.csi.secrets import SecretTrouble
from pilothouse.engine.controllers.csi.volume import capability_of
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import NotFound, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMES, VOLUMEATTACHMENTS

PART = "attacher"
NODE_ID = "csi.alpha.kubernetes.io/node-id"
"""Annotation of an attachment: how the driver calls the node, for when the node does not say so any more."""
PUBLISH, READ_ONLY = "PUBLISH_UNPUBLISH_VOLUME", "PUBLISH_READONLY"
_MESSAGE_BYTES = 1024


class Attacher:
    """clock: seconds since the epoch."""

    def __init__(self, client: Client, informers: Informers, drivers: Drivers, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._drivers = drivers
        self._clock = clock
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._attachments = informers.of(VOLUMEATTACHMENTS, indexes={"csi volume": _volume_of})
        self._attaching = Controller("csi attaching", self.reconcile, workers=16)
        self._attaching.watches(self._attachments)
        self._attaching.watches(drivers.objects, lambda driver: self._of(lambda each: each["spec"]["attacher"] == meta.name(driver)))
        self._attaching.watches(drivers.csi_nodes, lambda node: self._of(lambda each: each["spec"]["nodeName"] == meta.name(node)))
        self._releasing = Controller("csi detached volumes", self.release)
        self._releasing.watches(self._volumes, lambda volume: meta.name(volume) if meta.is_deleting(volume) else None)
        self._releasing.watches(self._attachments, _volume_of)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            for controller in (self._attaching, self._releasing):
                await tasks.start(controller.run, name=f"controller of {controller.name}")
            if ready is not None:
                ready.set()

    def _of(self, concerns: Callable[[Object], bool]) -> list[str]:
        return [meta.name(each) for each in self._attachments.items() if concerns(each)]

    async def reconcile(self, name: str) -> float | None:
        attachment = self._attachments.get(name)
        if attachment is None or not self._drivers.does(attachment["spec"]["attacher"], PART):
            return None
        is_leaving = meta.is_deleting(attachment)
        if is_leaving and _finalizer(attachment) not in meta.finalizers(attachment):
            return None
        if not is_leaving and (attachment.get("status") or {}).get("attached"):
            return None
        try:
            await (self._detach(attachment) if is_leaving else self._attach(attachment))
        except (CsiFailure, SecretTrouble, ValueError) as error:
            await self._say(name, {"detachError" if is_leaving else "attachError": self._trouble(error)})
            raise Unavailable(str(error)) from error
        return None

    async def _attach(self, attachment: Object) -> None:
        name, driver = meta.name(attachment), attachment["spec"]["attacher"]
        volume = self._volume(attachment)
        if volume is not None and meta.is_deleting(volume):
            raise ValueError(f'PersistentVolume "{meta.name(volume)}" is marked for deletion')
        spec = self._spec(attachment, volume)
        node_id = self._node_id(attachment)
        instance = await self._drivers.near(driver, volume=volume, node=attachment["spec"]["nodeName"])
        if volume is not None:
            await finalizers.put(self._client, PERSISTENTVOLUMES, volume, _finalizer(attachment))
        await finalizers.put(self._client, VOLUMEATTACHMENTS, attachment, _finalizer(attachment), {NODE_ID: node_id})
        context = await self._publish(instance, spec, node_id) if PUBLISH in instance.can else {}
        await self._say(name, {"attached": True, "attachmentMetadata": context or None, "attachError": None})

    async def _publish(self, instance: Instance, spec: Object, node_id: str) -> dict[str, str]:
        source = spec["csi"]
        request = csi.ControllerPublishVolumeRequest(
            volume_id=source["volumeHandle"],
            node_id=node_id,
            volume_capability=capability_of(spec, instance.can),
            readonly=bool(source.get("readOnly")) and READ_ONLY in instance.can,
            secrets=await secrets.read(self._client, source.get("controllerPublishSecretRef")),
            volume_context=source.get("volumeAttributes") or {},
        )
        answer = await self._drivers.call(instance, methods.CONTROLLER_PUBLISH_VOLUME, request)
        return dict(answer.publish_context)

    async def _detach(self, attachment: Object) -> None:
        name, driver = meta.name(attachment), attachment["spec"]["attacher"]
        volume = self._volume(attachment)
        source = self._spec(attachment, volume)["csi"]
        instance = await self._drivers.near(driver, volume=volume, node=attachment["spec"]["nodeName"])
        if PUBLISH in instance.can:
            request = csi.ControllerUnpublishVolumeRequest(
                volume_id=source["volumeHandle"],
                node_id=self._node_id(attachment),
                secrets=await secrets.read(self._client, source.get("controllerPublishSecretRef")),
            )
            try:
                await self._drivers.call(instance, methods.CONTROLLER_UNPUBLISH_VOLUME, request)
            except CsiFailure as error:
                # A volume or node that the driver does not have is not attached.
                if error.code != "NOT_FOUND":
                    raise
        shown = await self._say(name, {"attached": False, "detachError": None, "attachmentMetadata": None})
        if shown is not None:
            await finalizers.take(self._client, VOLUMEATTACHMENTS, shown, _finalizer(attachment))

    def _volume(self, attachment: Object) -> Object | None:
        found = _volume_of(attachment)
        return self._volumes.get(found[0]) if found else None

    def _spec(self, attachment: Object, volume: Object | None) -> Object:
        """Of the volume, or what the attachment itself says instead of naming one."""
        inline: Object | None = attachment["spec"]["source"].get("inlineVolumeSpec")
        spec = inline if inline is not None else (volume or {}).get("spec")
        if spec is None:
            raise ValueError(f'PersistentVolume "{(_volume_of(attachment) or [""])[0]}" is not there')
        if (spec.get("csi") or {}).get("driver") != attachment["spec"]["attacher"]:
            raise ValueError(f"the volume is not one of driver {attachment['spec']['attacher']}")
        found: Object = spec
        return found

    def _node_id(self, attachment: Object) -> str:
        driver, node = attachment["spec"]["attacher"], attachment["spec"]["nodeName"]
        found = names.driver_on(self._drivers.csi_nodes.get(node), driver)
        node_id = found["nodeID"] if found is not None else meta.annotations(attachment).get(NODE_ID)
        if not node_id:
            raise ValueError(f"driver {driver} is not registered on node {node}; look whether its pod runs there")
        return str(node_id)

    async def _say(self, name: str, status: Object) -> Object | None:
        """The attachment then; None when it has gone."""
        try:
            return await self._client.patch(VOLUMEATTACHMENTS, name, {"status": status}, subresource="status")
        except NotFound:
            return None

    def _trouble(self, error: Exception) -> Object:
        shown = str(error).encode()[:_MESSAGE_BYTES].decode(errors="ignore")
        found: Object = {"message": shown, "time": meta.rfc3339(self._clock())}
        return found | ({"errorCode": error.number} if isinstance(error, CsiFailure) else {})

    async def release(self, name: str) -> float | None:
        """A volume that is being deleted may go when it is attached nowhere."""
        volume = self._volumes.get(name)
        source = names.source_of(volume) if volume is not None else None
        if volume is None or source is None or not meta.is_deleting(volume) or not self._drivers.does(source["driver"], PART):
            return None
        if self._attachments.by_index("csi volume", name):
            return None
        await finalizers.take(self._client, PERSISTENTVOLUMES, volume, finalizer_of(source["driver"]))
        return None


def finalizer_of(driver: str) -> str:
    return f"external-attacher/{driver.replace('/', '-')}"


def _finalizer(attachment: Object) -> str:
    return finalizer_of(attachment["spec"]["attacher"])


def _volume_of(attachment: Object) -> list[str]:
    name = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
    return [name] if name else []
