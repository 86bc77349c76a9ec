"""Changes volumes to another class of attributes: what external-resizer does beside growth, for drivers without sidecars of their own.

    claim whose spec names another VolumeAttributesClass than its status    -> ControllerModifyVolume, then both say the same

A class that the driver refuses leaves the volume as it was; the claim says so, and may name another.
Source: kubernetes-csi external-resizer (pkg/modifycontroller), KEP-3751.
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.csi import secrets
from pilothouse.engine.controllers.csi.creation import deletion_secret
from pilothouse.engine.controllers.csi.drivers import Drivers
from pilothouse.engine.controllers.csi.resizer import PART
from pilothouse.engine.controllers.csi.secrets import SecretTrouble
from pilothouse.engine.controllers.persistentvolume.attributes_change import FAILED, AttributesChange, is_noted, target_of
from pilothouse.engine.controllers.persistentvolume.provision import is_provisioned
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi import methods
from pilothouse.engine.csi.failure import CsiFailure
from pilothouse.model import csi as names
from pilothouse.model import meta
from pilothouse.model.errors import Unavailable
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTRIBUTESCLASSES

INFEASIBLE_S = 600.0
"""How soon a driver is asked again for what it has refused."""
_CAN = "MODIFY_VOLUME"
_NO_DRIVER = "volumes of its kind have no attributes; name no VolumeAttributesClass"


class Modifier:
    """clock: seconds since the epoch."""

    def __init__(
        self, client: Client, informers: Informers, recorder: Recorder, drivers: Drivers, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._drivers = drivers
        self._change = AttributesChange(client, recorder, clock)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._volumes = informers.of(PERSISTENTVOLUMES)
        self._classes = informers.of(VOLUMEATTRIBUTESCLASSES)
        self._controller = Controller("csi modifying", self.reconcile, workers=16)
        self._controller.watches(self._claims, lambda claim: meta.key(claim) if target_of(claim) or is_noted(claim) else None)
        self._controller.watches(self._volumes, lambda volume: None)
        self._controller.watches(self._classes, lambda found: self._wanting(meta.name(found)))
        self._controller.watches(drivers.objects, lambda driver: self._wanting())

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    def _wanting(self, name: str = "") -> list[str]:
        return [meta.key(claim) for claim in self._claims.items() if (target := target_of(claim)) and name in ("", target)]

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        target = target_of(claim) if claim is not None else ""
        if claim is None or meta.is_deleting(claim):
            return None
        volume = self._volumes.get(claim["spec"].get("volumeName") or "")
        source = names.source_of(volume) if volume is not None else None
        if volume is not None and source is None and target and not is_provisioned(volume):
            self._recorder.say(claim, "Warning", FAILED, _NO_DRIVER)
        if volume is None or source is None or not self._drivers.does(source["driver"], PART):
            return None
        if not target:
            await self._change.forget(claim)
            return None
        try:
            await self._modify(claim, volume, source, target)
        except (CsiFailure, SecretTrouble) as error:
            is_refused = isinstance(error, CsiFailure) and error.is_final
            await self._change.fail(claim, target, "Infeasible" if is_refused else "InProgress", str(error))
            if is_refused:
                return INFEASIBLE_S
            raise Unavailable(str(error)) from error
        return None

    async def _modify(self, claim: Object, volume: Object, source: Object, target: str) -> None:
        driver = source["driver"]
        found = self._classes.get(target)
        if found is None or found.get("driverName") != driver:
            why = f'VolumeAttributesClass "{target}" ' + ("is not there" if found is None else f"is for driver {found.get('driverName')}")
            await self._change.fail(claim, target, "Pending", why)
            return
        instance = await self._drivers.near(driver, volume=volume)
        if _CAN not in instance.can:
            raise CsiFailure(driver, "", "the driver cannot change volumes; name no VolumeAttributesClass", "UNIMPLEMENTED")
        said = f"external resizer is modifying volume {meta.name(volume)} with vac {target}"
        claim = await self._change.begin(claim, target, said)
        request = csi.ControllerModifyVolumeRequest(
            volume_id=source["volumeHandle"],
            secrets=await secrets.read(self._client, deletion_secret(volume)),
            mutable_parameters=found.get("parameters") or {},
        )
        await self._drivers.call(instance, methods.CONTROLLER_MODIFY_VOLUME, request)
        await self._client.patch(PERSISTENTVOLUMES, meta.name(volume), {"spec": {"volumeAttributesClassName": target}})
        await self._change.finish(claim, target, f"external resizer modified volume {meta.name(volume)} successfully")
