"""Has nodes limit the I/O of volumes that they have made, as the VolumeAttributesClasses of their claims say.

    claim whose spec names another class than its status    -> the node notes the limits and sets them, then both say the same

A claim that is new gets its class once it is bound. A class that cannot be carried out leaves the volume as it was, in use; the claim
says why and may name another. Parameters: see `model.io_limits`. Source: KEP-3751.
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.persistentvolume.attributes_change import AttributesChange, is_noted, target_of
from pilothouse.engine.controllers.persistentvolume.nodes import WORKERS, NodeVolumes
from pilothouse.engine.controllers.persistentvolume.provision import is_provisioned
from pilothouse.model import io_limits, meta
from pilothouse.model.errors import ApiError, BadRequest
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTRIBUTESCLASSES
from pilothouse.model.volumes import LOCAL_PROVISIONER, NODE

INFEASIBLE_S = 600.0
"""How soon a node is asked again for what it has refused."""


class AttributesController:
    """nodes: None where nobody makes volumes. clock: seconds since the epoch."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        nodes: NodeVolumes | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._nodes = nodes
        self._change = AttributesChange(client, recorder, clock)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(VOLUMEATTRIBUTESCLASSES)
        self._controller = Controller("volume-attributes", self.reconcile, workers=WORKERS)
        self._controller.watches(self._claims, lambda claim: meta.key(claim) if target_of(claim) or is_noted(claim) else None)
        self._controller.watches(self._volumes, lambda volume: None)
        self._controller.watches(self._classes, self._wanting)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    def _wanting(self, found: Object) -> list[str]:
        return [meta.key(claim) for claim in self._claims.items() if target_of(claim) == meta.name(found)]

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or meta.is_deleting(claim):
            return None
        volume = self._volumes.get(claim["spec"].get("volumeName") or "")
        if volume is None or not is_provisioned(volume) or self._nodes is None:
            return None
        if not (target := target_of(claim)):
            await self._change.forget(claim)
            return None
        return await self._limit(self._nodes, claim, volume, target)

    async def _limit(self, nodes: NodeVolumes, claim: Object, volume: Object, target: str) -> float | None:
        found = self._classes.get(target)
        if found is None or found.get("driverName") != LOCAL_PROVISIONER:
            why = "is not there" if found is None else f"is for driver {found.get('driverName')}, and the volume one of {LOCAL_PROVISIONER}"
            await self._change.fail(claim, target, "Pending", f'VolumeAttributesClass "{target}" {why}')
            return None
        try:
            limits = io_limits.of_parameters(found.get("parameters") or {})
            await nodes.limit(meta.annotations(volume).get(NODE) or "", meta.name(volume), limits)
        except (ValueError, BadRequest) as error:
            await self._change.fail(claim, target, "Infeasible", f'VolumeAttributesClass "{target}": {_said(error)}')
            return INFEASIBLE_S
        except ApiError as error:
            await self._change.fail(claim, target, "InProgress", error.message)
            raise
        await self._change.finish(claim, target, f"volume {meta.name(volume)} has the limits of {target}")
        return None


def _said(error: Exception) -> str:
    return error.message if isinstance(error, ApiError) else str(error)
