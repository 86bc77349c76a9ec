"""Keeps EndpointSlices of the Endpoints that belong to Services without a selector: databases and machines outside the cluster.

Proxies, gateway and DNS read slices alone. What has a selector is the business of the EndpointSlice controller.
"""

import asyncio
from collections.abc import Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import refusal
from pilothouse.engine.controllers.endpointslicemirroring import plan as plans
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTS, ENDPOINTSLICES, SERVICES

WORKERS = 2


def by_endpoints(endpoint_slice: Object) -> list[str]:
    """Index values: the Endpoints object that a slice of this controller mirrors."""
    labels = meta.labels(endpoint_slice)
    name = labels.get(plans.SERVICE_LABEL)
    return [f"{meta.namespace(endpoint_slice)}/{name}"] if name and labels.get(plans.MANAGER_LABEL) == plans.MANAGER else []


class EndpointSliceMirroringController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._services = informers.of(SERVICES)
        self._endpoints = informers.of(ENDPOINTS)
        self._slices = Fresh(informers.of(ENDPOINTSLICES), "mirrored", by_endpoints)
        self._controller = Controller("endpointslicemirroring", self.reconcile, workers=WORKERS)
        self._controller.watches(self._services)
        self._controller.watches(self._endpoints)
        self._controller.watches(self._slices.informer, by_endpoints)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        """A Service and its Endpoints have the same key."""
        endpoints, slices = self._endpoints.get(key), [each for each in self._slices.indexed(key) if not self._slices.is_leaving(each)]
        if endpoints is None or meta.is_deleting(endpoints) or not plans.is_mirrored(endpoints, self._services.get(key)):
            await self._delete(slices)
            return None
        plan = plans.plan(endpoints, slices)
        self._tell(endpoints, plan)
        try:
            await self._apply(plan)
        except Conflict:
            raise
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                message = f"Error mirroring to EndpointSlices: {error.message}"
                self._recorder.say(endpoints, "Warning", "FailedToUpdateEndpointSlices", message[:1000])
                raise
        return None

    def _tell(self, endpoints: Object, plan: plans.Plan) -> None:
        if plan.invalid:
            message = f"Skipped {plan.invalid} invalid IP addresses when mirroring to EndpointSlices"
            self._recorder.say(endpoints, "Warning", "InvalidIPAddress", message)
        if plan.skipped:
            most = plans.MOST_ADDRESSES
            message = (
                f"A max of {most} addresses can be mirrored to EndpointSlices per Endpoints subset. {plan.skipped} addresses were skipped"
            )
            self._recorder.say(endpoints, "Warning", "TooManyAddressesToMirror", message)

    async def _apply(self, plan: plans.Plan) -> None:
        # New slices before deletions: an endpoint that moves is in both for a moment rather than in none.
        for each in plan.create:
            self._slices.wrote(await self._client.create(ENDPOINTSLICES, each))
        for each in plan.update:
            self._slices.wrote(await self._client.update(ENDPOINTSLICES, each))
        await self._delete(plan.delete)

    async def _delete(self, slices: Iterable[Object]) -> None:
        for each in slices:
            try:
                await self._client.delete(ENDPOINTSLICES, meta.name(each), meta.namespace(each), uid=meta.uid(each))
            except NotFound:
                continue
            self._slices.deleted(each)
