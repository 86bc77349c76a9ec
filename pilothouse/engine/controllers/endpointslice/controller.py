"""Keeps the EndpointSlices of each Service with a selector in step with its pods: what proxies, gateway and DNS route by.

On the path of every pod start and end, so it acts on each change at once; changes that come while it writes are one more round.
"""

import asyncio
from collections.abc import Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import refusal
from pilothouse.engine.controllers.endpoints import facts
from pilothouse.engine.controllers.endpointslice import plan as endpointslice_plan
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, PODS, SERVICES

WORKERS = 5


def by_service(endpoint_slice: Object) -> list[str]:
    """Index values: the Service that a slice of this controller is of."""
    labels = meta.labels(endpoint_slice)
    if labels.get(endpointslice_plan.MANAGER_LABEL) != endpointslice_plan.MANAGER:
        return []
    name = labels.get(endpointslice_plan.SERVICE_LABEL)
    return [f"{meta.namespace(endpoint_slice)}/{name}"] if name else []


class EndpointSliceController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._services = informers.of(SERVICES, indexes={"namespace": facts.by_namespace})
        self._pods = informers.of(PODS, indexes={"namespace": facts.by_namespace})
        self._nodes = informers.of(NODES)
        self._slices = Fresh(informers.of(ENDPOINTSLICES), "service", by_service)
        self._controller = Controller("endpointslice", self.reconcile, workers=WORKERS)
        self._controller.watches(self._services)
        self._controller.watches(self._slices.informer, by_service)
        self._controller.watches(self._nodes, lambda _: ())
        self._pods.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._pods.wait_synced()
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        service = self._services.get(key)
        if service is None or meta.is_deleting(service) or not facts.selector(service):
            return None
        selected = facts.chosen(service, self._pods.by_index("namespace", meta.namespace(service)))
        slices = [each for each in self._slices.indexed(key) if not self._slices.is_leaving(each)]
        plan = endpointslice_plan.plan(service, selected, slices, self._zone_of)
        try:
            await self._apply(plan)
        except Conflict:
            raise
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                message = f"Error updating Endpoint Slices for Service {key}: {error.message}"
                self._recorder.say(service, "Warning", "FailedToUpdateEndpointSlices", message)
                raise
        return None

    async def _apply(self, plan: endpointslice_plan.Plan) -> None:
        # New slices before deletions: an endpoint that moves is in both for a moment rather than in none.
        for each in plan.create:
            self._slices.wrote(await self._client.create(ENDPOINTSLICES, each))
        for each in plan.update:
            self._slices.wrote(await self._client.update(ENDPOINTSLICES, each))
        for each in plan.delete:
            await self._delete(each)

    async def _delete(self, endpoint_slice: Object) -> None:
        try:
            await self._client.delete(
                ENDPOINTSLICES, meta.name(endpoint_slice), meta.namespace(endpoint_slice), uid=meta.uid(endpoint_slice)
            )
        except NotFound:
            return
        self._slices.deleted(endpoint_slice)

    def _zone_of(self, node: str) -> str | None:
        found = self._nodes.get(node)
        return None if found is None else meta.labels(found).get(facts.ZONE_LABEL)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if facts.affected(old, new):
            for key in services_of(self._services.by_index("namespace", meta.namespace(new or old or {})), old, new):
                self._controller.queue.add(key)


def services_of(services: Iterable[Object], old: Object | None, new: Object | None) -> list[str]:
    """Keys of the Services that select a pod as it was or as it is."""
    versions = [pod for pod in (old, new) if pod is not None]
    return [meta.key(service) for service in services if any(facts.selects(service, pod) for pod in versions)]
