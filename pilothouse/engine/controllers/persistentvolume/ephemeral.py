"""Makes the claims of pods' generic ephemeral volumes; each is its pod's, and goes with it.

Source: kubernetes pkg/controller/volume/ephemeral.
"""

import asyncio

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import refusal
from pilothouse.model import meta
from pilothouse.model.errors import AlreadyExists, ApiError, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PODS
from pilothouse.model.volumes import ephemeral_name, is_made_for

_ENDED = ("Succeeded", "Failed")


class EphemeralVolumeController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._pods = informers.of(PODS)
        self._claims = informers.of(PERSISTENTVOLUMECLAIMS)
        self._controller = Controller("ephemeral-volume", self.reconcile, workers=2)
        self._controller.watches(self._pods, lambda pod: meta.key(pod) if _ephemeral(pod) else None)
        self._controller.watches(self._claims, _owner)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        pod = self._pods.get(key)
        if pod is None or meta.is_deleting(pod) or (pod.get("status") or {}).get("phase") in _ENDED:
            return None
        for volume in _ephemeral(pod):
            await self._ensure(pod, volume)
        return None

    async def _ensure(self, pod: Object, volume: Object) -> None:
        name = ephemeral_name(pod, volume)
        found = self._claims.get(f"{meta.namespace(pod)}/{name}")
        if found is None:
            try:
                await self._client.create(PERSISTENTVOLUMECLAIMS, _claim(pod, volume, name))
            except (AlreadyExists, NotFound):
                return  # The cache will show whose it is; or the namespace has gone.
            except ApiError as error:
                if refusal.is_namespace_ending(error):
                    return
                self._recorder.say(pod, "Warning", "FailedCreate", f'claim "{name}" of volume "{volume["name"]}": {error.message}')
                raise
        elif not is_made_for(found, pod):
            why = f'PVC "{meta.namespace(pod)}/{name}" was not created for pod "{meta.key(pod)}" (pod is not owner); delete one of the two'
            self._recorder.say(pod, "Warning", "FailedCreate", why)


def _claim(pod: Object, volume: Object, name: str) -> Object:
    template = volume["ephemeral"]["volumeClaimTemplate"]
    stated = template.get("metadata") or {}
    metadata = {"name": name, "namespace": meta.namespace(pod), "ownerReferences": [meta.owner_reference(pod, "v1", "Pod")]}
    return {"metadata": {each: stated[each] for each in ("labels", "annotations") if stated.get(each)} | metadata, "spec": template["spec"]}


def _ephemeral(pod: Object) -> list[Object]:
    return [each for each in (pod.get("spec") or {}).get("volumes") or () if each.get("ephemeral") is not None]


def _owner(claim: Object) -> str | None:
    owner = meta.controller_of(claim)
    return f"{meta.namespace(claim)}/{owner['name']}" if owner is not None and owner["kind"] == "Pod" else None
