"""Empties a namespace that is being deleted, then lets it go.

Pods go first, and the rest only when they are gone: what a pod still uses while it ends (its ConfigMaps, its NetworkPolicy) outlives it.
Source: Kubernetes 1.36, namespaced_resources_deleter.go; KEP-5080 (ordered namespace deletion).
"""

import asyncio
import time
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.outcome import Retry
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers import discovery
from pilothouse.engine.controllers.discovery import Discovered
from pilothouse.engine.controllers.endpoints.facts import by_namespace
from pilothouse.engine.controllers.namespace import plan
from pilothouse.engine.controllers.namespace.plan import FINALIZER, Removal
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, MethodNotAllowed, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NAMESPACES, PODS
from pilothouse.model.resource import Resource

WORKERS = 5
LOOK_AGAIN_S = 2.0


class NamespaceController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._namespaces = informers.of(NAMESPACES)
        self._pods = informers.of(PODS, indexes={"namespace": by_namespace})
        self._controller = Controller("namespace", self.reconcile, workers=WORKERS)
        self._controller.watches(self._namespaces)
        self._pods.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    async def reconcile(self, key: str) -> float | None:
        namespace = self._namespaces.get(key)
        if namespace is None or not meta.is_deleting(namespace) or FINALIZER not in _finalizers(namespace):
            return None
        removal = await self._empty(key)
        namespace = await self._show(namespace, removal)
        if not removal.is_complete:
            left = ", ".join(f"{count} {name}" for name, count in sorted(removal.left.items())) or "; ".join(removal.failures)
            raise Retry(LOOK_AGAIN_S, f"namespace {key} still has {left or 'undiscovered content'}")
        await self._release(namespace)
        return None

    async def _empty(self, name: str) -> Removal:
        removal = Removal()
        try:
            found = await discovery.served(self._client)
        except ApiError as error:
            removal.discovery_failures.append(error.message)
            return removal
        # What other servers may have in the namespace is not known while they do not answer: all else goes, and the namespace stays.
        removal.discovery_failures += [f"stale GroupVersion discovery: {version}" for version in in_doubt(found)]
        resources = [each for each in found.resources if _is_emptied(each) and each.group not in found.stale_groups]
        await self._empty_of(PODS, name, removal)
        if removal.left:
            return removal
        for resource in resources:
            if resource.group_resource != PODS.group_resource:
                await self._empty_of(resource, name, removal)
        return removal

    async def _empty_of(self, resource: Resource, namespace: str, removal: Removal) -> None:
        """Delete all objects of a resource; what stays (grace, finalizers) is counted."""
        try:
            left = (await self._client.list_all(resource, namespace)).items
            if left:
                await self._delete_all(resource, namespace, left)
                left = (await self._client.list_all(resource, namespace)).items
        except (NotFound, MethodNotAllowed):
            return  # The resource went, or is only an appearance of another.
        except ApiError as error:
            removal.failures.append(error.message)
            return
        removal.remains(resource.group_resource if resource.group else f"{resource.plural}.", left)

    async def _delete_all(self, resource: Resource, namespace: str, objects: list[Object]) -> None:
        if discovery.supports(resource, "deletecollection"):
            await self._client.delete_collection(resource, namespace, propagation="Background")
            return
        for obj in objects:
            if not meta.is_deleting(obj):
                await self._client.delete(resource, meta.name(obj), namespace, propagation="Background")

    async def _show(self, namespace: Object, removal: Removal) -> Object:
        status = (namespace.get("status") or {}) | {
            "phase": "Terminating",
            "conditions": plan.conditions(namespace, removal, self._clock()),
        }
        if status == namespace.get("status"):
            return namespace
        for kind in removal.left:
            self._recorder.decide(
                namespace, "ContentRemaining", f"{removal.left[kind]} {kind.rstrip('.')} remain", count=removal.left[kind]
            )
        return await self._client.update_status(NAMESPACES, namespace | {"status": status})

    async def _release(self, namespace: Object) -> None:
        """A namespace without finalizers goes by the answer to this."""
        try:
            await self._client.update(NAMESPACES, plan.without_finalizer(namespace), subresource="finalize")
        except NotFound:
            return

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """The last pod that goes lets the rest begin."""
        if new is None and old is not None and not self._pods.by_index("namespace", meta.namespace(old)):
            self._controller.queue.add(meta.namespace(old))


def _is_emptied(resource: Resource) -> bool:
    return resource.namespaced and discovery.supports(resource, "delete", "list")


def in_doubt(found: Discovered) -> list[str]:
    """Versions of servers that do not answer, without those that were known to have nothing that could be deleted: adapters, say."""
    known: dict[str, list[Resource]] = {version: [] for version in found.stale}
    for each in found.resources:
        if each.api_version in known:
            known[each.api_version].append(each)
    return [version for version, resources in known.items() if not resources or any(map(_is_emptied, resources))]


def _finalizers(namespace: Object) -> list[str]:
    return (namespace.get("spec") or {}).get("finalizers") or []
