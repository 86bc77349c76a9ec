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
from pilothouse.engine.controllers.persistentvolume.growth import Growth, wants_more
from pilothouse.engine.controllers.persistentvolume.nodes import WORKERS, NodeVolumes
from pilothouse.engine.controllers.persistentvolume.provision import is_provisioned
from pilothouse.model import csi, meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
from pilothouse.model.volumes import NODE, requested

PENDING_S = 10.0
"""How soon a volume is looked at again that grows when its pod has left."""
RESIZER = "resizer"


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
        self._recorder = recorder
        self._nodes = nodes
        self._growth = Growth(client, recorder, clock)
        self._drivers = informers.of(CSIDRIVERS)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._controller = Controller("volume-expand", self.reconcile, workers=WORKERS)
        self._controller.watches(self._claims, lambda claim: meta.key(claim) if wants_more(claim) else None)
        self._controller.watches(self._volumes, lambda volume: None)
        self._controller.watches(self._drivers, lambda driver: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or meta.is_deleting(claim) or not wants_more(claim):
            return None
        volume = self._volumes.get(claim["spec"].get("volumeName") or "")
        if volume is None:
            return None
        if not is_provisioned(volume):
            self._left_to_others(claim, volume)
            return None
        if self._nodes is None:
            return None
        claim = await self._growth.begin(claim, f"resizing volume {claim['spec']['volumeName']}")
        try:
            made = await self._nodes.ensure(meta.annotations(volume).get(NODE) or "", meta.name(volume), requested(claim).value)
        except ApiError as error:
            why = f'resize volume "{meta.name(volume)}" failed: {error.message}'
            self._recorder.say(claim, "Warning", "VolumeResizeFailed", why)
            raise
        if made.get("isPending"):
            await self._growth.leave_to_node(claim)
            return PENDING_S
        await self._growth.enlarge(volume, int(made["sizeBytes"]))
        await self._growth.finish(claim, volume)
        return None

    def _left_to_others(self, claim: Object, volume: Object) -> None:
        """Of a volume that is not made here."""
        source = csi.source_of(volume)
        driver = self._drivers.get(source["driver"]) if source is not None else None
        if source is not None and (driver is None or RESIZER not in csi.parts_of(driver)):
            self._recorder.say(claim, "Normal", "ExternalExpanding", "waiting for an external controller to expand this PVC")
