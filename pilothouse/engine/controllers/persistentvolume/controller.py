"""The persistent volume binder: claims get volumes, volumes know their claims, what is released is reclaimed.

    claim    -> bound to a volume that suits, or to be provisioned, or waiting
    volume   -> Available, Bound, Released; then what its policy says
    provision, reclaim: what a node has to do, in queues of their own, since it takes time

Level-triggered: each round compares a claim or a volume with the caches; writes carry the revision they were decided by, so that two
rounds never give one volume away twice. Source: kubernetes pkg/controller/volume/persistentvolume.
"""

import asyncio
from collections.abc import Iterable

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.persistentvolume import binding, provision
from pilothouse.engine.controllers.persistentvolume.claims import Bind, Lose, Provision, Wait, decide
from pilothouse.engine.controllers.persistentvolume.local import LocalProvisioner
from pilothouse.engine.controllers.persistentvolume.nodes import WORKERS, NodeVolumes
from pilothouse.engine.controllers.persistentvolume.protection import claims_of
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from pilothouse.model.volumes import (
    BETA_STORAGE_PROVISIONER,
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    LOCAL_PROVISIONER,
    PROVISIONED_BY,
    STORAGE_PROVISIONER,
    class_of,
    default_class,
    waits_for_consumer,
)

REPAIR_S = 60.0
"""How long a claim without a volume rests when nothing changes."""
IN_TREE = "kubernetes.io/"
_EXTERNAL = (
    "Waiting for a volume to be created either by the external provisioner '{name}' or manually by the system administrator. If volume "
    "creation is delayed, please verify that the provisioner is running and correctly registered."
)


class PersistentVolumeController:
    """nodes: has nodes make and remove volumes that lie on them; None where nobody does."""

    def __init__(self, client: Client, informers: Informers, recorder: Recorder, nodes: NodeVolumes | None = None) -> None:
        self._client = client
        self._recorder = recorder
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(STORAGECLASSES)
        self._pods = informers.of(PODS, indexes={"claim": claims_of})
        known_nodes = informers.of(NODES)
        self.local = LocalProvisioner(client, self._claims, self._volumes, self._classes, known_nodes, recorder, nodes)
        self._provisioning = Controller("volume provisioning", self.local.provision, workers=WORKERS)
        self._reclaiming = Controller("volume reclaiming", self.local.reclaim, workers=WORKERS)
        self._of_claims = Controller("claims", self.reconcile_claim)
        self._of_volumes = Controller("volumes", self.reconcile_volume)
        self._of_claims.watches(self._claims)
        self._of_claims.watches(self._volumes, self._concerned)
        self._of_claims.watches(self._classes, lambda obj: self._unbound())
        self._of_volumes.watches(self._volumes)
        # Also of a claim that has gone before it knew the volume that was made for it.
        self._of_volumes.watches(self._claims, lambda claim: claim["spec"].get("volumeName") or provision.name_for(claim))
        for controller in (self._provisioning, self._reclaiming):
            controller.watches(known_nodes, lambda node: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            for controller in (self._of_claims, self._of_volumes, self._provisioning, self._reclaiming):
                await tasks.start(controller.run, name=f"controller of {controller.name}")
            if ready is not None:
                ready.set()

    def _unbound(self) -> Iterable[str]:
        return [meta.key(claim) for claim in self._claims.items() if BIND_COMPLETED not in meta.annotations(claim)]

    def _concerned(self, volume: Object) -> Iterable[str]:
        """The claim of a volume; of one without, all that look for one."""
        reference = volume["spec"].get("claimRef")
        return [f"{reference['namespace']}/{reference['name']}"] if reference else self._unbound()

    async def reconcile_claim(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or meta.is_deleting(claim):
            return None
        if class_of(claim) is None and not claim["spec"].get("volumeName") and await self._give_class(claim):
            return None
        volumes = {meta.name(each): each for each in self._volumes.items()}
        consumers = [meta.name(pod) for pod in self._pods.by_index("claim", key) if not pod["spec"].get("nodeName")]
        match decide(claim, volumes, self._classes.get(class_of(claim) or ""), consumers):
            case Bind(volume):
                await self._bind(claim, volume)
                return None
            case Provision(storage_class):
                await self._have_made(claim, storage_class)
            case Wait(reason, message, type_):
                if reason:
                    self._recorder.say(claim, type_, reason, message)
                await self._place(claim)
            case Lose(reason, message):
                await self._lose(claim, reason, message)
                return None
        return REPAIR_S

    async def _place(self, claim: Object) -> None:
        """Of a claim whose node is still to be chosen; see `LocalProvisioner.place`."""
        storage_class = self._classes.get(class_of(claim) or "")
        if not waits_for_consumer(storage_class) or (storage_class or {}).get("provisioner") != LOCAL_PROVISIONER:
            return
        await self.local.place(claim)

    async def _give_class(self, claim: Object) -> bool:
        """A claim that was made before there was a default class gets the class of today."""
        found = default_class(self._classes.items())
        if found is None:
            return False
        await self._client.update(PERSISTENTVOLUMECLAIMS, claim | {"spec": claim["spec"] | {"storageClassName": meta.name(found)}})
        return True

    async def _bind(self, claim: Object, volume: Object) -> None:
        """The volume first: it is what two claims could both want."""
        if (bound := binding.bound_volume(volume, claim)) is not None:
            volume = await self._client.update(PERSISTENTVOLUMES, bound)
        if (shown := binding.volume_status(volume, "Bound")) is not None:
            volume = await self._client.update_status(PERSISTENTVOLUMES, shown)
        if (bound := binding.bound_claim(claim, volume)) is not None:
            claim = await self._client.update(PERSISTENTVOLUMECLAIMS, bound)
        if (shown := binding.claim_status(claim, "Bound", volume)) is not None:
            await self._client.update_status(PERSISTENTVOLUMECLAIMS, shown)

    async def _lose(self, claim: Object, reason: str, message: str) -> None:
        if (shown := binding.claim_status(claim, "Lost")) is not None:
            await self._client.update_status(PERSISTENTVOLUMECLAIMS, shown)
            self._recorder.say(claim, "Warning", reason, message)

    async def _have_made(self, claim: Object, storage_class: Object | None) -> None:
        if storage_class is None:
            self._recorder.say(claim, "Warning", "ProvisioningFailed", f'storageclass.storage.k8s.io "{class_of(claim)}" not found')
            return
        name = storage_class.get("provisioner") or ""
        if name.startswith(IN_TREE):
            self._recorder.say(claim, "Warning", "ProvisioningFailed", f"no volume plugin matched name: {name}")
            return
        if meta.annotations(claim).get(STORAGE_PROVISIONER) != name:
            claim = binding.annotated(binding.annotated(claim, STORAGE_PROVISIONER, name), BETA_STORAGE_PROVISIONER, name)
            claim = await self._client.update(PERSISTENTVOLUMECLAIMS, claim)
        if name == LOCAL_PROVISIONER:
            self._provisioning.queue.add(meta.key(claim))
        else:
            self._recorder.say(claim, "Normal", "ExternalProvisioning", _EXTERNAL.format(name=name))

    async def reconcile_volume(self, name: str) -> float | None:
        volume = self._volumes.get(name)
        if volume is None:
            return None
        reference = volume["spec"].get("claimRef")
        if reference is None or not reference.get("uid"):
            await self._free(volume)
            return None
        claim = await self._claim_of(reference)
        if claim is None:
            await self._released(volume)
        elif not claim["spec"].get("volumeName"):
            self._of_claims.queue.add(meta.key(claim))
        elif claim["spec"]["volumeName"] == name:
            await self._show(volume, "Bound")
        elif provision.is_provisioned(volume) and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._released(volume)
        else:
            await self._unbind(volume)
        return None

    async def _claim_of(self, reference: Object) -> Object | None:
        """The very claim; asked for when the cache has none, for it may be younger than the cache."""
        key = f"{reference['namespace']}/{reference['name']}"
        found = self._claims.get(key)
        if found is None or meta.uid(found) != reference["uid"]:
            found = await self._client.get_or_none(PERSISTENTVOLUMECLAIMS, reference["name"], reference["namespace"])
        return found if found is not None and meta.uid(found) == reference["uid"] else None

    async def _free(self, volume: Object) -> None:
        if meta.is_deleting(volume):
            await self._reclaim(volume)
        else:
            await self._show(volume, "Available")

    async def _show(self, volume: Object, phase: str, reason: str = "", message: str = "") -> Object:
        shown = binding.volume_status(volume, phase, reason, message)
        return volume if shown is None else await self._client.update_status(PERSISTENTVOLUMES, shown)

    async def _unbind(self, volume: Object) -> None:
        """The claim has gone to another volume. What a user has kept for the claim's name stays kept."""
        if BOUND_BY_CONTROLLER in meta.annotations(volume):
            spec = {key: value for key, value in volume["spec"].items() if key != "claimRef"}
            volume = binding.unannotated(volume, BOUND_BY_CONTROLLER)
        else:
            reference = {key: value for key, value in volume["spec"]["claimRef"].items() if key not in ("uid", "resourceVersion")}
            spec = volume["spec"] | {"claimRef": reference}
        await self._client.update(PERSISTENTVOLUMES, volume | {"spec": spec})

    async def _released(self, volume: Object) -> None:
        if (volume.get("status") or {}).get("phase") not in ("Released", "Failed"):
            volume = await self._show(volume, "Released")
        await self._reclaim(volume)

    async def _reclaim(self, volume: Object) -> None:
        """Of a volume that is no claim's any more."""
        policy, name = volume["spec"].get("persistentVolumeReclaimPolicy"), meta.name(volume)
        if policy == "Delete" and provision.is_provisioned(volume):
            self._reclaiming.queue.add(name)
        elif policy == "Delete" and PROVISIONED_BY not in meta.annotations(volume) and not meta.is_deleting(volume):
            why = "nobody here deletes volumes of this kind; delete its data and the PersistentVolume by hand, or set the policy to Retain"
            self._recorder.say(volume, "Warning", "VolumeFailedDelete", why)
            await self._show(volume, "Failed", "VolumeFailedDelete", why)
        elif meta.is_deleting(volume) and provision.DATA_FINALIZER in meta.finalizers(volume):
            # Whoever deletes a volume that is to be retained keeps its data on the node, where it must not be taken for an orphan.
            await self.local.keep(volume)
            try:
                await self._client.update(PERSISTENTVOLUMES, provision.without_finalizer(volume, provision.DATA_FINALIZER))
            except NotFound:
                return
