"""One cache for every kind that can be deleted, following what the server serves: a custom kind is watched once it is established.

Kinds that other controllers read anyway share their caches.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog

from pilothouse.aio.tasks import Scope, scope
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.client.informers import Informers
from pilothouse.engine.controllers import discovery
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.kinds import (
    APISERVICES,
    CONTROLLERREVISIONS,
    CRDS,
    CRONJOBS,
    DAEMONSETS,
    DEPLOYMENTS,
    ENDPOINTS,
    ENDPOINTSLICES,
    JOBS,
    LEASES,
    NAMESPACES,
    NODES,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICEACCOUNTS,
    SERVICES,
    STATEFULSETS,
)
from pilothouse.model.resource import Resource

SHARED = (
    *(CONTROLLERREVISIONS, CRDS, CRONJOBS, DAEMONSETS, DEPLOYMENTS, ENDPOINTS, ENDPOINTSLICES, JOBS, LEASES, NAMESPACES, NODES, PODS),
    *(PODDISRUPTIONBUDGETS, REPLICASETS, REPLICATIONCONTROLLERS, SERVICEACCOUNTS, SERVICES, STATEFULSETS),
)
IGNORED = ("events", "events.events.k8s.io")
RETRY_S = 2.0
SETTLE_S = 0.2
COMPLETE_S = 30.0
"""Source: kube-controller-manager, garbagecollector.go, for the caches of kinds that it has only just learnt of."""

log = structlog.get_logger("controllers.garbage")

Changed = Callable[[Resource, Object | None, Object | None], None]


class Monitors:
    """changed: told of each object of any kind. learned: told when the kinds that are served have been looked up anew."""

    def __init__(self, client: Client, informers: Informers, changed: Changed, learned: Callable[[], None]) -> None:
        self._client = client
        self._changed = changed
        self._learned = learned
        self._shared = {resource.group_resource: informers.of(resource) for resource in SHARED}
        self._own: dict[str, tuple[Informer, asyncio.Task[None]]] = {}
        self._resources: dict[tuple[str, str], Resource] = {}
        self._stale = asyncio.Event()
        for resource in SHARED:
            self._shared[resource.group_resource].on_change(partial(changed, resource))
        self._shared[CRDS.group_resource].on_change(self._definition_changed)
        informers.of(APISERVICES).on_change(self._registration_changed)

    def resource_of(self, group: str, kind: str) -> Resource | None:
        return self._resources.get((group, kind))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Entered once every kind is in its cache; follows discovery until the block ends."""
        async with scope() as tasks:
            await self._refresh_until_done(tasks)
            for informer in self._shared.values():
                await informer.wait_synced()
            await self._wait_for_own()
            follower = tasks.spawn(self._follow(tasks), name="garbage discovery")
            yield
            follower.cancel()
            tasks.cancel()

    async def _wait_for_own(self) -> None:
        """For a while: one of another server may never be complete, and holds up the collection of no other kind for longer than that."""
        try:
            async with asyncio.timeout(COMPLETE_S):
                for informer, _ in list(self._own.values()):
                    await informer.wait_synced()
        except TimeoutError:
            log.warning("begun before every kind is known", waited_s=COMPLETE_S)

    async def _follow(self, tasks: Scope) -> None:
        while True:
            await self._stale.wait()
            # Definitions tend to come in crowds, and one is served a moment after it says so.
            await asyncio.sleep(SETTLE_S)
            self._stale.clear()
            await self._refresh_until_done(tasks)

    async def _refresh_until_done(self, tasks: Scope) -> None:
        while True:
            try:
                await self._refresh(tasks)
            except ApiError as error:
                log.warning("discovery failed", error=error.message, retry_s=RETRY_S)
                await asyncio.sleep(RETRY_S)
            else:
                return

    async def _refresh(self, tasks: Scope) -> None:
        found = await discovery.served(self._client)
        served = [each for each in found.resources if each.group_resource not in IGNORED]
        self._resources = {(each.group, each.kind): each for each in served}
        wanted = {each.group_resource: each for each in served if discovery.supports(each, "delete", "list", "watch")}
        for name, (informer, _) in list(self._own.items()):
            # Of a server that does not answer, what is known stays known: nobody has said that its objects are gone.
            if name not in wanted and informer.resource.group not in found.stale_groups:
                self._stop(name)
        for name, resource in wanted.items():
            if name not in self._shared and name not in self._own and resource.group not in found.stale_groups:
                self._start(tasks, resource)
        self._learned()

    def _start(self, tasks: Scope, resource: Resource) -> None:
        informer = Informer(self._client, resource)
        informer.on_change(partial(self._changed, resource))
        task = tasks.spawn(informer.run(), name=f"garbage {resource.group_resource}")
        self._own[resource.group_resource] = (informer, task)

    def _stop(self, name: str) -> None:
        """A kind that is served no longer takes its objects along."""
        informer, task = self._own.pop(name)
        task.cancel()
        for obj in informer.items():
            self._changed(informer.resource, obj, None)

    def _registration_changed(self, old: Object | None, new: Object | None) -> None:
        """What another server has is known once it answers."""

        def is_available(registration: Object | None) -> bool:
            return registration is not None and meta.is_true(registration, "Available")

        is_other = any("service" in (each.get("spec") or {}) for each in (old, new) if each is not None)
        if is_other and (is_available(old) != is_available(new) or (old is None) != (new is None)):
            self._stale.set()

    def _definition_changed(self, old: Object | None, new: Object | None) -> None:
        def is_served(definition: Object | None) -> bool:
            return definition is not None and meta.is_true(definition, "Established")

        if is_served(old) != is_served(new) or (old is not None and new is not None and old.get("spec") != new.get("spec")):
            self._stale.set()
