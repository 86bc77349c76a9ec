"""Claims that pods use, volumes that claims have, and classes that both name stay until they are left, however they were deleted.

Source: kubernetes pkg/controller/volume/pvcprotection, pvprotection, vacprotection.
"""

import asyncio
from collections.abc import Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers.persistentvolume.provision import without_finalizer
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, VOLUMEATTRIBUTESCLASSES
from pilothouse.model.resource import Resource
from pilothouse.model.volumes import ATTRIBUTES_CLASS_PROTECTION, CLAIM_PROTECTION, VOLUME_PROTECTION, attributes_classes_of, claim_names


class ClaimProtection:
    """Pods that have a node count, whether they run or have ended: their node may still have the volume mounted."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._pods = informers.of(PODS, indexes={"claim": claims_of})
        self._controller = Controller("pvc-protection", self.reconcile, workers=2)
        self._controller.watches(self._claims)
        self._controller.watches(self._pods, claims_of)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or not meta.is_deleting(claim) or CLAIM_PROTECTION not in meta.finalizers(claim):
            return None
        if any(map(_is_placed, self._pods.by_index("claim", key))) or await self._is_used(claim):
            return None
        await _release(self._client, PERSISTENTVOLUMECLAIMS, claim, CLAIM_PROTECTION)
        return None

    async def _is_used(self, claim: Object) -> bool:
        """Asked of the server: a pod may have got its node a moment ago."""
        pods = (await self._client.list_all(PODS, meta.namespace(claim))).items
        return any(_is_placed(pod) and meta.name(claim) in claim_names(pod) for pod in pods)


class VolumeProtection:
    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._controller = Controller("pv-protection", self.reconcile, workers=2)
        self._controller.watches(self._volumes)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        volume = self._volumes.get(name)
        if volume is None or not meta.is_deleting(volume) or VOLUME_PROTECTION not in meta.finalizers(volume):
            return None
        if (volume.get("status") or {}).get("phase") != "Bound":
            await _release(self._client, PERSISTENTVOLUMES, volume, VOLUME_PROTECTION)
        return None


class AttributesClassProtection:
    """A class of attributes stays while a claim or a volume names it, as wanted or as had."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._classes = informers.of(VOLUMEATTRIBUTESCLASSES)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS, indexes={"class of attributes": attributes_classes_of})
        self._volumes = informers.of(PERSISTENTVOLUMES, indexes={"class of attributes": attributes_classes_of})
        self._controller = Controller("vac-protection", self.reconcile)
        self._controller.watches(self._classes)
        self._controller.watches(self._claims, attributes_classes_of)
        self._controller.watches(self._volumes, attributes_classes_of)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, name: str) -> float | None:
        found = self._classes.get(name)
        if found is None or not meta.is_deleting(found) or ATTRIBUTES_CLASS_PROTECTION not in meta.finalizers(found):
            return None
        if not any(informer.by_index("class of attributes", name) for informer in (self._claims, self._volumes)):
            await _release(self._client, VOLUMEATTRIBUTESCLASSES, found, ATTRIBUTES_CLASS_PROTECTION)
        return None


async def _release(client: Client, resource: Resource, obj: Object, finalizer: str) -> None:
    try:
        await client.update(resource, without_finalizer(obj, finalizer))
    except NotFound:
        return


def claims_of(pod: Object) -> Iterable[str]:
    """Keys of the claims that the pod's volumes name."""
    return [f"{meta.namespace(pod)}/{name}" for name in claim_names(pod)]


def _is_placed(pod: Object) -> bool:
    return bool((pod.get("spec") or {}).get("nodeName"))
