"""A claim whose volume is being cloned stays until no claim waits for a clone of it.

Source: kubernetes-csi/external-provisioner pkg/controller/clone_controller.go.
"""

import asyncio
from collections.abc import Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers.csi.finalizers import IN_THE_MAKING
from pilothouse.engine.controllers.persistentvolume.provision import without_finalizer
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from pilothouse.model.volumes import data_source, is_bound, is_claimed_by

CLONING = "provisioner.storage.kubernetes.io/cloning-protection"


class CloneProtection:
    """Lets go of what the provisioner has protected before it had the clone made."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS, indexes={"cloned": cloned})
        self._controller = Controller("clone-protection", self.reconcile)
        self._controller.watches(self._claims, lambda claim: [meta.key(claim), *cloned(claim)])

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or CLONING not in meta.finalizers(claim):
            return None
        if any(map(_is_waiting, self._claims.by_index("cloned", key))):
            return None
        try:
            await self._client.update(PERSISTENTVOLUMECLAIMS, without_finalizer(claim, CLONING))
        except NotFound:
            return None
        return None


def cloned(claim: Object) -> Iterable[str]:
    """The key of the claim whose volume it wants a copy of."""
    source = data_source(claim) or {}
    is_claim = source.get("kind") == "PersistentVolumeClaim" and not source.get("apiGroup")
    return [f"{meta.namespace(claim)}/{source['name']}"] if is_claim else []


def volume_to_clone(source: Object, volumes: Informer) -> Object | None:
    """The volume of a claim that is to be cloned; None while it has none.

    What the claim says of its volume is its user's word: only a volume that says the same is the claim's to copy.
    """
    volume = volumes.get(source["spec"].get("volumeName") or "")
    is_shown = (source.get("status") or {}).get("phase") == "Bound"
    return volume if volume is not None and is_shown and is_bound(source) and is_claimed_by(volume, source) else None


def _is_waiting(claim: Object) -> bool:
    """Also one that is deleted while a driver may be making its volume: to undo that, the driver is told of the source again."""
    is_wanted = not meta.is_deleting(claim) or IN_THE_MAKING in meta.finalizers(claim)
    return is_wanted and not claim["spec"].get("volumeName")
