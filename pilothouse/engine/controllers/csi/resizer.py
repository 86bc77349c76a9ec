"""Has volumes grow: what external-resizer does, for drivers that have no resizer of their own.

    claim that asks for more    -> ControllerExpandVolume, then the PersistentVolume says so

The node does the rest where the driver wants that.

Source: kubernetes-csi external-resizer (pkg/controller), KEP-1790 (allocatedResources).
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Retry
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.csi import secrets
from pilothouse.engine.controllers.csi.drivers import Drivers, Instance
from pilothouse.engine.controllers.csi.secrets import SecretTrouble
from pilothouse.engine.controllers.csi.volume import capability_of
from pilothouse.engine.controllers.persistentvolume.growth import PENDING, Growth, wants_more
from pilothouse.engine.controllers.persistentvolume.protection import claims_of
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from pilothouse.model.volumes import capacity, requested

PART = "resizer"
BEFORE = "volume.alpha.kubernetes.io/pre-resize-capacity"
"""Annotation of a volume that has grown and whose node has its part to do yet: how large it was."""
BUSY_S = 30.0
_EXPAND, _FAILED = "EXPAND_VOLUME", "VolumeResizeFailed"
_OFFLINE, _ONLINE = "OFFLINE", "ONLINE"


class Resizer:
    """clock: seconds since the epoch."""

    def __init__(
        self, client: Client, informers: Informers, recorder: Recorder, drivers: Drivers, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._drivers = drivers
        self._growth = Growth(client, recorder, clock)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._pods = informers.of(PODS, indexes={"claim": claims_of})
        self._controller = Controller("csi resizing", self.reconcile, workers=16)
        self._controller.watches(self._claims, lambda claim: meta.key(claim) if wants_more(claim) else None)
        self._controller.watches(self._volumes, lambda volume: None)
        self._controller.watches(self._pods, lambda pod: None)
        self._controller.watches(drivers.objects, self._growing)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    def _growing(self, driver: Object) -> list[str]:
        return [meta.key(claim) for claim in self._claims.items() if wants_more(claim)]

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None or meta.is_deleting(claim) or not wants_more(claim):
            return None
        volume = self._volumes.get(claim["spec"].get("volumeName") or "")
        source = names.source_of(volume) if volume is not None else None
        if volume is None or source is None or not self._drivers.does(source["driver"], PART):
            return None
        if capacity(volume) >= requested(claim) and meta.condition(claim, PENDING) is not None:
            return None
        try:
            await self._grow(claim, volume, source)
        except (CsiFailure, SecretTrouble, ValueError) as error:
            said = f'resize volume "{meta.name(volume)}" by resizer "{source["driver"]}" failed: {error}'
            self._recorder.say(claim, "Warning", _FAILED, said)
            raise Unavailable(str(error)) from error
        return None

    async def _grow(self, claim: Object, volume: Object, source: Object) -> None:
        instance = await self._drivers.near(source["driver"], volume=volume)
        if not instance.grows and _EXPAND not in instance.can:
            raise CsiFailure(instance.driver, "", "the driver cannot have volumes grow", "UNIMPLEMENTED")
        self._check_use(claim, instance)
        begun = {
            "allocatedResources": {"storage": str(requested(claim))},
            "allocatedResourceStatuses": {"storage": "ControllerResizeInProgress"},
        }
        claim = await self._growth.begin(claim, f"External resizer is resizing volume {meta.name(volume)}", begun)
        size_bytes, is_left_to_node = await self._expand(claim, volume, source, instance)
        annotations = {BEFORE: str(capacity(volume))} if is_left_to_node else None
        await self._growth.enlarge(volume, size_bytes, annotations)
        if is_left_to_node:
            await self._growth.leave_to_node(claim, {"allocatedResourceStatuses": {"storage": "NodeResizePending"}})
        else:
            await self._growth.finish(claim, volume, {"allocatedResources": None, "allocatedResourceStatuses": None})

    def _check_use(self, claim: Object, instance: Instance) -> None:
        """Raises Retry while a volume is in use that can only grow when it is not."""
        if _OFFLINE not in instance.grows or _ONLINE in instance.grows:
            return
        users = [meta.name(pod) for pod in self._pods.by_index("claim", meta.key(claim)) if pod["spec"].get("nodeName")]
        if users:
            why = f"the driver has volumes grow that nobody uses, and pod {users[0]} uses this one; it grows when that has ended"
            self._recorder.say(claim, "Warning", _FAILED, why)
            raise Retry(BUSY_S, why)

    async def _expand(self, claim: Object, volume: Object, source: Object, instance: Instance) -> tuple[int, bool]:
        """How large the volume is then, in bytes, and whether its node has a part to do."""
        wanted_bytes = requested(claim).value
        if _EXPAND not in instance.can:
            return wanted_bytes, True
        request = csi.ControllerExpandVolumeRequest(
            volume_id=source["volumeHandle"],
            capacity_range=csi.CapacityRange(required_bytes=wanted_bytes),
            secrets=await secrets.read(self._client, source.get("controllerExpandSecretRef")),
            volume_capability=capability_of(volume["spec"], instance.can),
        )
        answer = await self._drivers.call(instance, methods.CONTROLLER_EXPAND_VOLUME, request)
        if answer.capacity_bytes < wanted_bytes:
            why = f"the driver has had the volume grow to {answer.capacity_bytes} bytes instead of {wanted_bytes}"
            raise CsiFailure(instance.driver, "ControllerExpandVolume", why, "INTERNAL")
        return answer.capacity_bytes, answer.node_expansion_required
