"""Keeps the Endpoints object of each Service with a selector, and removes those of Services that are gone."""

import asyncio

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.endpoints import facts, plan
from pilothouse.engine.controllers.endpoints.selectors import Selectors
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Conflict, Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTS, PODS, SERVICES

WORKERS = 2


class EndpointsController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._services = informers.of(SERVICES)
        self._pods = informers.of(PODS, indexes={"namespace": facts.by_namespace})
        self._endpoints = Fresh(informers.of(ENDPOINTS))
        self._controller = Controller("endpoints", self.reconcile, workers=WORKERS)
        self._controller.watches(self._services)
        self._controller.watches(self._endpoints.informer)
        self._selectors = Selectors(self._services)
        self._pods.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._pods.wait_synced()
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        service, current = self._services.get(key), self._endpoints.get(key)
        if current is not None and self._endpoints.is_leaving(current):
            current = None
        if service is None:
            await self._remove(current)
            return None
        if not facts.selector(service):
            return None
        selected = facts.chosen(service, self._pods.by_index("namespace", meta.namespace(service)))
        wanted = plan.build(service, selected, current)
        if wanted != current:
            await self._write(service, wanted, is_new=current is None)
        return None

    async def _remove(self, current: Object | None) -> None:
        """Only what this controller made: Endpoints without a Service may be anybody's."""
        if current is None or meta.labels(current).get(plan.MANAGER_LABEL) != plan.MANAGER:
            return
        try:
            await self._client.delete(ENDPOINTS, meta.name(current), meta.namespace(current), uid=meta.uid(current))
        except NotFound:
            return
        self._endpoints.deleted(current)

    async def _write(self, service: Object, wanted: Object, *, is_new: bool) -> None:
        try:
            write = self._client.create if is_new else self._client.update
            self._endpoints.wrote(await write(ENDPOINTS, wanted))
        except Conflict:
            raise
        except Forbidden:
            # The namespace is being deleted: there is nothing more to tell.
            return
        except ApiError as error:
            verb = "create" if is_new else "update"
            message = f"Failed to {verb} endpoint {meta.key(service)}: {error.message}"
            self._recorder.say(service, "Warning", f"FailedTo{verb.capitalize()}Endpoint", message)
            raise

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if facts.affected(old, new):
            for key in self._selectors.of(old, new):
                self._controller.queue.add(key)
