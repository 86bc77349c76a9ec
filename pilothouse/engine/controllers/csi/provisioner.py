"""Makes volumes: what external-provisioner does, for drivers that have no provisioner of their own.

    claim that wants a volume of the driver's    -> CreateVolume, then a PersistentVolume that is kept for the claim

The volume's name follows from the claim's uid, so that every call may be repeated. A finalizer is on the claim while the driver may be
making its volume: a claim that is deleted meanwhile, or a crash, leaves nothing behind at the driver.
Source: kubernetes-csi external-provisioner; sigs.k8s.io/sig-storage-lib-external-provisioner.
"""

import asyncio

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Retry
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.csi import creation, finalizers, secrets, topology
from pilothouse.engine.controllers.csi.drivers import TOPOLOGY, Drivers, Instance
from pilothouse.engine.controllers.csi.finalizers import IN_THE_MAKING
from pilothouse.engine.controllers.csi.reclaimer import KEPT, PART, delete_volume
from pilothouse.engine.controllers.csi.secrets import SecretTrouble
from pilothouse.engine.controllers.csi.sources import Sources, SourceTrouble, is_for_others, reference
from pilothouse.engine.controllers.persistentvolume import binding
from pilothouse.engine.controllers.persistentvolume.clones import CLONING, cloned
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, STORAGECLASSES, VOLUMEATTRIBUTESCLASSES
from pilothouse.model.volumes import SELECTED_NODE, STORAGE_PROVISIONER, class_of, waits_for_consumer

WAITS_S = 2.0
"""How soon a source is looked at again at first that is not there yet."""
_FAILED = "ProvisioningFailed"
_ABANDONED = (
    f"volume {{volume}} may be left at driver {{driver}}, which is not served here any more; set the annotation {names.SIDECARS} of its "
    f"CSIDriver again, or remove the volume by hand and then the finalizer {IN_THE_MAKING} of this claim"
)
_CAN_MAKE = "CREATE_DELETE_VOLUME"


class Provisioner:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, drivers: Drivers) -> None:
        self._client = client
        self._recorder = recorder
        self._drivers = drivers
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(STORAGECLASSES)
        self._attributes = informers.of(VOLUMEATTRIBUTESCLASSES)
        self._sources = Sources(client, self._claims, self._volumes)
        self._making = Controller("csi provisioning", self.provision, workers=16)
        self._making.watches(self._claims, lambda claim: meta.key(claim) if _driver_of(claim) else None)
        self._making.watches(self._volumes, lambda volume: None)
        self._making.watches(self._classes, lambda found: None)
        self._making.watches(self._attributes, lambda found: None)
        self._making.watches(drivers.objects, self._claims_of)
        self._making.watches(drivers.csi_nodes, self._claims_on)
        self._making.watches(drivers.nodes, lambda node: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._making.run(ready)

    def _claims_of(self, driver: Object) -> list[str]:
        return [meta.key(claim) for claim in self._claims.items() if _driver_of(claim) == meta.name(driver)]

    def _claims_on(self, csi_node: Object) -> list[str]:
        """Those that may wait for a driver to be registered on the node."""
        drivers = {each.get("name") for each in (csi_node.get("spec") or {}).get("drivers") or ()}
        return [meta.key(claim) for claim in self._claims.items() if _driver_of(claim) in drivers and not claim["spec"].get("volumeName")]

    async def provision(self, key: str) -> float | None:
        claim = self._claims.get(key)
        driver = _driver_of(claim) if claim is not None else ""
        if claim is None or not self._drivers.does(driver, PART):
            if claim is not None and meta.is_deleting(claim) and IN_THE_MAKING in meta.finalizers(claim):
                self._recorder.say(claim, "Warning", KEPT, _ABANDONED.format(driver=driver, volume=creation.name_for(claim)))
            return None
        if claim["spec"].get("volumeName") or self._volumes.get(creation.name_for(claim)) is not None:
            await finalizers.take(self._client, PERSISTENTVOLUMECLAIMS, claim, IN_THE_MAKING)
            return None
        if meta.is_deleting(claim):
            await self._undo(claim, driver)
            return None
        storage_class = self._classes.get(class_of(claim) or "")
        if storage_class is None or not _is_made_by(driver, claim, storage_class):
            return None
        if waits_for_consumer(storage_class) and SELECTED_NODE not in meta.annotations(claim):
            return None
        try:
            await self._make(claim, storage_class, driver)
        except (CsiFailure, SecretTrouble, SourceTrouble) as error:
            await self._failed(claim, error)
        return None

    async def _make(self, claim: Object, storage_class: Object, driver: str) -> None:
        name = creation.name_for(claim)
        instance = await self._drivers.near(driver, beside=meta.annotations(claim).get(SELECTED_NODE) or "")
        named = creation.named_secrets(claim, storage_class)
        request = await self._request(claim, storage_class, instance)
        request.secrets.update(await secrets.read(self._client, named.provisioner))
        self._recorder.say(claim, "Normal", "Provisioning", f'External provisioner is provisioning volume for claim "{meta.key(claim)}"')
        await self._protect(claim)
        claim = await finalizers.put(self._client, PERSISTENTVOLUMECLAIMS, claim, IN_THE_MAKING)
        try:
            answer = await self._drivers.call(instance, methods.CREATE_VOLUME, request)
        except CsiFailure as error:
            is_full = error.code == "RESOURCE_EXHAUSTED"
            if is_full or error.is_final:
                await self._settle(claim, elsewhere=is_full)
            raise
        if why := creation.why_not(answer, request):
            await delete_volume(self._drivers, instance, answer.volume.volume_id, dict(request.secrets))
            await self._settle(claim, elsewhere=False)
            raise CsiFailure(driver, "CreateVolume", why, "INTERNAL")
        try:
            await self._client.create(PERSISTENTVOLUMES, creation.volume_for(claim, storage_class, driver, named, answer.volume))
        except AlreadyExists:
            return
        except ApiError as error:
            why = f'failed to provision volume with StorageClass "{class_of(claim)}": its PersistentVolume was refused: {error.message}'
            self._recorder.say(claim, "Warning", _FAILED, why)
            raise
        self._recorder.say(claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {name}")

    async def _protect(self, claim: Object) -> None:
        """The claim that it is a copy of stays until the copy is made (`clones`)."""
        for key in cloned(claim):
            if (source := self._claims.get(key)) is not None and not meta.is_deleting(source):
                await finalizers.put(self._client, PERSISTENTVOLUMECLAIMS, source, CLONING)

    async def _request(self, claim: Object, storage_class: Object, instance: Instance) -> csi.CreateVolumeRequest:
        if _CAN_MAKE not in instance.can:
            raise CsiFailure(
                instance.driver, "CreateVolume", "the driver makes no volumes; make PersistentVolumes by hand", "UNIMPLEMENTED"
            )
        source = await self._sources.of(claim, instance.driver)
        if source is not None:
            _check_copy(source, instance)
        wanted = topology.requirement(*self._places(claim, instance.driver), storage_class) if TOPOLOGY in instance.services else None
        attributes = self._parameters_of(claim, instance)
        return creation.request_for(claim, storage_class, instance.can, topology=wanted, source=source, attributes=attributes)

    def _places(self, claim: Object, driver: str) -> tuple[list[topology.Segments], topology.Segments | None]:
        """Of all nodes of the driver, and of the node that the scheduler has chosen. Raises CsiFailure when it cannot be had there."""
        segments = {
            meta.name(node): topology.segments_of(driver, node, self._drivers.csi_nodes.get(meta.name(node)))
            for node in self._drivers.hosts(driver)
        }
        selected = meta.annotations(claim).get(SELECTED_NODE)
        if selected is not None and segments.get(selected) is None:
            why = f"node {selected}, which the pod goes to, has not the driver's labels; look whether the driver runs there"
            raise CsiFailure(driver, "CreateVolume", why, "FAILED_PRECONDITION")
        return [each for each in segments.values() if each], segments[selected] if selected is not None else None

    def _parameters_of(self, claim: Object, instance: Instance) -> dict[str, str]:
        """Of the claim's class of attributes."""
        name = claim["spec"].get("volumeAttributesClassName")
        if not name:
            return {}
        found = self._attributes.get(name)
        if found is None or found.get("driverName") != instance.driver:
            why = "is not there" if found is None else f"is for driver {found.get('driverName')}"
            raise CsiFailure(instance.driver, "CreateVolume", f'VolumeAttributesClass "{name}" {why}', "INVALID_ARGUMENT")
        if "MODIFY_VOLUME" not in instance.can:
            raise CsiFailure(instance.driver, "CreateVolume", "the driver knows no classes of attributes", "UNIMPLEMENTED")
        return dict(found.get("parameters") or {})

    async def _failed(self, claim: Object, error: CsiFailure | SecretTrouble | SourceTrouble) -> None:
        """Raises, so that it is tried again.

        What fails before the driver is asked says nothing of an earlier call, which the driver may still be carrying out.
        """
        message = f'failed to provision volume with StorageClass "{class_of(claim)}": {error}'
        self._recorder.say(claim, "Warning", _FAILED, message)
        if isinstance(error, SourceTrouble) and error.is_waited_for:
            raise Retry(WAITS_S, str(error), grows=True) from error
        raise Unavailable(str(error)) from error

    async def _settle(self, claim: Object, *, elsewhere: bool) -> None:
        """Nothing is being made. elsewhere: the scheduler is to choose another node, where it has chosen one."""
        found = await self._client.get_or_none(PERSISTENTVOLUMECLAIMS, meta.name(claim), meta.namespace(claim))
        if found is None:
            return
        if elsewhere and SELECTED_NODE in meta.annotations(found):
            found = await self._client.update(PERSISTENTVOLUMECLAIMS, binding.unannotated(found, SELECTED_NODE))
        await finalizers.take(self._client, PERSISTENTVOLUMECLAIMS, found, IN_THE_MAKING)

    async def _undo(self, claim: Object, driver: str) -> None:
        """The claim is deleted while the driver may have made its volume: asked once more, it says which one, and that is removed."""
        if IN_THE_MAKING not in meta.finalizers(claim):
            return
        storage_class = self._classes.get(class_of(claim) or "")
        if storage_class is None or not _is_made_by(driver, claim, storage_class):
            # Another provisioner's class names Secrets that this driver is not to see.
            of_class = "its class has gone" if storage_class is None else "its class is for others"
            left = f"volume {creation.name_for(claim)} may be left at driver {driver}"
            why = f"{of_class}; {left}, and is to be removed there by hand"
            self._recorder.say(claim, "Warning", KEPT, why)
        else:
            try:
                await self._unmake(claim, storage_class, driver)
            except (CsiFailure, SecretTrouble, SourceTrouble) as error:
                self._recorder.say(claim, "Warning", KEPT, f"the volume that was begun cannot be removed: {error}")
                raise Unavailable(str(error)) from error
        await finalizers.take(self._client, PERSISTENTVOLUMECLAIMS, claim, IN_THE_MAKING)

    async def _unmake(self, claim: Object, storage_class: Object, driver: str) -> None:
        instance = await self._drivers.near(driver, beside=meta.annotations(claim).get(SELECTED_NODE) or "")
        request = await self._request(claim, storage_class, instance)
        request.secrets.update(await secrets.read(self._client, creation.named_secrets(claim, storage_class).provisioner))
        try:
            answer = await self._drivers.call(instance, methods.CREATE_VOLUME, request)
        except CsiFailure as error:
            if error.is_final:
                return  # Nothing has been made.
            raise
        await delete_volume(self._drivers, instance, answer.volume.volume_id, dict(request.secrets))


def _driver_of(claim: Object) -> str:
    """Who is to make the claim's volume, as the binder has noted; "" for nobody yet."""
    return meta.annotations(claim).get(STORAGE_PROVISIONER) or ""


def _is_made_by(driver: str, claim: Object, storage_class: Object) -> bool:
    """Whether the class has the driver make the claim's volume, whatever the claim's annotations say."""
    stated = reference(claim)
    return storage_class.get("provisioner") == driver and (stated is None or not is_for_others(stated))


def _check_copy(source: csi.VolumeContentSource, instance: Instance) -> None:
    needed = "CLONE_VOLUME" if source.HasField("volume") else "CREATE_DELETE_SNAPSHOT"
    if needed not in instance.can:
        what = "copies no volumes" if source.HasField("volume") else "restores no snapshots"
        raise CsiFailure(instance.driver, "CreateVolume", f"the driver {what}; leave spec.dataSource out", "UNIMPLEMENTED")
