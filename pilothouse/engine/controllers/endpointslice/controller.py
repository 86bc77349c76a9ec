"""Keeps the EndpointSlices of each Service with a selector in step with its pods: what proxies, gateway and DNS route by.

On the path of every pod start and end, so it acts on each change at once; changes that come while it writes are one more round.
"""

import asyncio
from collections.abc import Mapping

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import refusal
from pilothouse.engine.controllers.endpoints import facts
from pilothouse.engine.controllers.endpoints.selectors import Selectors
from pilothouse.engine.controllers.endpointslice import hints
from pilothouse.engine.controllers.endpointslice import plan as endpointslice_plan
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, PODS, SERVICES

WORKERS, FAMILIES = 5, ("IPv4", "IPv6")


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
        self._services = informers.of(SERVICES, indexes={"shared": _shared})
        self._pods = informers.of(PODS, indexes={"namespace": facts.by_namespace})
        self._nodes = informers.of(NODES)
        self._slices = Fresh(informers.of(ENDPOINTSLICES), "service", by_service)
        self._controller = Controller("endpointslice", self.reconcile, workers=WORKERS)
        self._controller.watches(self._services)
        self._controller.watches(self._slices.informer, by_service)
        self._controller.watches(self._nodes, lambda _: ())
        self._selectors = Selectors(self._services)
        self._shares: hints.Shares | None = None
        self._said: dict[tuple[str, str], str] = {}
        """By key and family of a Service whose endpoints are shared between zones, what was said of that last."""
        self._nodes.on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._pods.wait_synced()
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        service = self._services.get(key)
        if service is None or meta.is_deleting(service) or not facts.selector(service):
            self._tell(key, service, {})
            return None
        selected = facts.chosen(service, self._pods.by_index("namespace", meta.namespace(service)))
        slices = [each for each in self._slices.indexed(key) if not self._slices.is_leaving(each)]
        plan = endpointslice_plan.plan(service, selected, slices, self._zone_of, self._zone_shares())
        try:
            await self._apply(plan)
        except Conflict:
            raise
        except ApiError as error:
            if not refusal.is_namespace_ending(error):
                message = f"Error updating Endpoint Slices for Service {key}: {error.message}"
                self._recorder.say(service, "Warning", "FailedToUpdateEndpointSlices", message)
                raise
        self._tell(key, service, plan.hints)
        return None

    def _tell(self, key: str, service: Object | None, found: Mapping[str, str]) -> None:
        """By an Event, what has changed of how zones share the endpoints. found: see `Plan.hints`."""
        for family in FAMILIES:
            before, now = self._said.get((key, family)), found.get(family)
            if before == now:
                continue
            if now is None:
                del self._said[key, family]
            else:
                self._said[key, family] = now
            if service is None or (now is None and before):
                continue
            if now == "":
                self._recorder.say(service, "Normal", "TopologyAwareHintsEnabled", f"{hints.ENABLED}, addressType: {family}")
            else:
                self._recorder.say(service, "Warning", "TopologyAwareHintsDisabled", f"{now or hints.DISABLED}, addressType: {family}")

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
        return None if found is None else meta.labels(found).get(hints.ZONE_LABEL)

    def _zone_shares(self) -> hints.Shares:
        if self._shares is None:
            self._shares = hints.shares(self._nodes.items())
        return self._shares

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """Most reports of a node change nothing here; one that has joined has no endpoints yet."""
        if _capacity(old) == _capacity(new):
            return
        self._shares = None
        for service in self._services.by_index("shared", "yes"):
            self._controller.queue.add(meta.key(service))
        if old is not None and new is not None and _zone(old) != _zone(new):
            self._queue_users(meta.name(new))

    def _queue_users(self, node: str) -> None:
        """Services with an endpoint on a node that is in another zone now: somebody has labelled it, so that they may all be looked at."""
        for each in self._slices.informer.items():
            if any(endpoint.get("nodeName") == node for endpoint in each.get("endpoints") or ()):
                for key in by_service(each):
                    self._controller.queue.add(key)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if facts.affected(old, new):
            for key in self._selectors.of(old, new):
                self._controller.queue.add(key)


def _shared(service: Object) -> list[str]:
    """Index values: Services whose endpoints are shared between zones."""
    return ["yes"] if hints.is_automatic(service) else []


def _zone(node: Object) -> str | None:
    return meta.labels(node).get(hints.ZONE_LABEL)


def _capacity(node: Object | None) -> object:
    """What of a node counts for the shares of zones."""
    return None if node is None else (_zone(node), meta.labels(node), meta.is_true(node, "Ready"), hints.allocatable_milli(node))
