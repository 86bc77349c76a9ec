"""Has the volumes of claims grow that ask for more than they have.

A node that can grow a mounted file system does so at once; where the kernel does not allow that, the volume grows when no pod has it,
and the claim says so until then. Source: kubernetes pkg/controller/volume/expand; KEP-284.
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.persistentvolume.nodes import NodeVolumes
from pilothouse.engine.controllers.persistentvolume.provision import is_provisioned
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.quantity import Quantity
from pilothouse.model.volumes import NODE, capacity, requested, shown_bytes

PENDING_S = 10.0
"""How soon a volume is looked at again that grows when its pod has left."""
RESIZING, PENDING = "Resizing", "FileSystemResizePending"
_WAITS = "Waiting for user to (re-)start a pod to finish file system resize of volume on node."


class ExpandController:
    """nodes: None where nobody makes volumes."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        nodes: NodeVolumes | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._nodes = nodes
        self._clock = clock
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._controller = Controller("volume-expand", self.reconcile, workers=2)
        self._controller.watches(self._claims, lambda claim: meta.key(claim) if wants_more(claim) else None)
        self._controller.watches(self._volumes, lambda volume: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or meta.is_deleting(claim) or not wants_more(claim) or self._nodes is None:
            return None
        volume = self._volumes.get(claim["spec"].get("volumeName") or "")
        if volume is None or not is_provisioned(volume):
            return None
        if meta.condition(claim, PENDING) is None:
            claim = await self._say(claim, RESIZING, "")
        try:
            made = await self._nodes.ensure(meta.annotations(volume).get(NODE) or "", meta.name(volume), requested(claim).value)
        except ApiError as error:
            why = f'resize volume "{meta.name(volume)}" failed: {error.message}'
            self._recorder.say(claim, "Warning", "VolumeResizeFailed", why)
            raise
        if made.get("isPending"):
            await self._say(claim, PENDING, _WAITS)
            return PENDING_S
        await self._grown(claim, volume, int(made["sizeBytes"]))
        return None

    async def _grown(self, claim: Object, volume: Object, size_bytes: int) -> None:
        size = shown_bytes(size_bytes)
        if capacity(volume) < Quantity.of(size):
            await self._client.patch(PERSISTENTVOLUMES, meta.name(volume), {"spec": {"capacity": {"storage": size}}})
        # The claim is shown what it asks for when it got it: a volume may be somewhat larger.
        status = {"capacity": {"storage": str(requested(claim))}, "conditions": self._others(claim) or None}
        await self._write(claim, status)
        self._recorder.say(claim, "Normal", "VolumeResizeSuccessful", f"Resize volume {meta.name(volume)} succeeded")

    async def _say(self, claim: Object, type_: str, message: str) -> Object:
        """One of the two conditions holds at a time."""
        known = meta.condition(claim, type_)
        if known is not None and known.get("status") == "True":
            return claim
        new = {"type": type_, "status": "True"} | ({"message": message} if message else {})
        conditions = meta.with_condition(self._others(claim), new, meta.rfc3339(self._clock()))
        if message:
            self._recorder.say(claim, "Normal", "FileSystemResizeRequired", "Require file system resize of volume on node")
        else:
            self._recorder.say(claim, "Normal", "Resizing", f"resizing volume {claim['spec']['volumeName']}")
        return await self._write(claim, {"conditions": conditions})

    def _others(self, claim: Object) -> list[Object]:
        conditions = (claim.get("status") or {}).get("conditions") or []
        return [each for each in conditions if each.get("type") not in (RESIZING, PENDING)]

    async def _write(self, claim: Object, status: Object) -> Object:
        return await self._client.patch(
            PERSISTENTVOLUMECLAIMS, meta.name(claim), {"status": status}, namespace=meta.namespace(claim), subresource="status"
        )


def wants_more(claim: Object) -> bool:
    status = claim.get("status") or {}
    has = (status.get("capacity") or {}).get("storage")
    return status.get("phase") == "Bound" and has is not None and requested(claim) > Quantity.of(has)
