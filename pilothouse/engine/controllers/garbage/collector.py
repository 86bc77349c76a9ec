"""Deletes what nobody owns any more, and carries out foreground and orphan deletions.

Before it deletes anything it asks the server itself for the owners and for the object: the caches only say where to look.
Source: Kubernetes 1.36, pkg/controller/garbagecollector.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.garbage import plan
from pilothouse.engine.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Node
from pilothouse.engine.controllers.garbage.monitors import Monitors
from pilothouse.engine.controllers.garbage.plan import Delete, Keep, Standing
from pilothouse.model import meta
from pilothouse.model.errors import Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

WORKERS = 8
REMEMBERED = 500


class _Owner(NamedTuple):
    """Where an owner reference points. resource None: a kind that the server does not serve (now)."""

    uid: str
    resource: Resource | None
    name: str


class GarbageCollector:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._graph = Graph()
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._controller = Controller("garbage-collector", self.reconcile, workers=WORKERS)
        self._unknown: set[str] = set()
        self._monitors = Monitors(client, informers, self._changed, self._learned)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Judges nothing before it knows everything: an owner that is only not listed yet is not gone."""
        async with self._monitors.watching():
            await self._controller.run(ready)

    async def reconcile(self, uid: str) -> float | None:
        node = self._graph.get(uid)
        if node is None:
            return None
        if node.is_deleting:
            await self._finish(node)
        elif node.owners:
            await self._judge(node)
        return None

    def _changed(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        if new is not None:
            uids = self._graph.put(Node.of(resource, new))
        else:
            assert old is not None
            self._remember_absent(meta.uid(old))
            uids = self._graph.remove(meta.uid(old))
        for uid in uids:
            self._controller.queue.add(uid)

    async def _judge(self, node: Node) -> None:
        current = await self._client.get_or_none(node.resource, node.name, node.namespace or None)
        if current is None or meta.uid(current) != node.uid:
            return
        node = Node.of(node.resource, current)
        standings = [(each["uid"], await self._standing(node, each)) for each in node.owners]
        match plan.judge(node, standings, self._graph.dependents(node.uid)):
            case Keep(release) if release:
                await self._patch_owners(node, release, meta.resource_version(current))
            case Delete(propagation):
                await self._delete(node, propagation, meta.resource_version(current))

    async def _standing(self, node: Node, reference: Object) -> Standing:
        uid = reference["uid"]
        if uid in self._absent:
            return "absent"
        known = self._graph.get(uid)
        if known is not None:
            return "waiting" if known.waits_for_dependents else "solid"
        owner = self._owner(reference)
        if owner.resource is None:
            # Nobody can say whether it is there: it protects until its kind is served.
            self._unknown.add(node.uid)
            return "solid"
        if owner.resource.namespaced and not node.namespace:
            # An owner in a namespace cannot be told for an object outside all of them: nobody may delete by that.
            self._say_misplaced(node, reference)
            return "solid"
        return await self._ask(owner, node.namespace)

    async def _ask(self, owner: _Owner, namespace: str) -> Standing:
        assert owner.resource is not None
        found = await self._client.get_or_none(owner.resource, owner.name, namespace if owner.resource.namespaced else None)
        if found is None or meta.uid(found) != owner.uid:
            self._remember_absent(owner.uid)
            return "absent"
        return "waiting" if Node.of(owner.resource, found).waits_for_dependents else "solid"

    def _learned(self) -> None:
        """Other kinds are served now: who was owned by one that was not known is judged anew."""
        for uid in self._unknown:
            self._controller.queue.add(uid)
        self._unknown.clear()

    def _owner(self, reference: Object) -> _Owner:
        group = reference["apiVersion"].rpartition("/")[0]
        return _Owner(reference["uid"], self._monitors.resource_of(group, reference["kind"]), reference["name"])

    async def _finish(self, node: Node) -> None:
        """Carry out what a deletion with the orphan or foreground finalizer waits for."""
        if ORPHAN in node.finalizers:
            await self._orphan(node, self._graph.dependents(node.uid))
            await self._drop_finalizer(node, ORPHAN)
        elif FOREGROUND in node.finalizers:
            for each in self._graph.dependents(node.uid):
                if not each.is_deleting:
                    self._controller.queue.add(each.uid)
            if not plan.blocking(node, self._graph.dependents):
                await self._drop_finalizer(node, FOREGROUND)

    async def _orphan(self, owner: Node, dependents: Sequence[Node]) -> None:
        for each in dependents:
            await self._patch_owners(each, (owner.uid,), None)

    async def _patch_owners(self, node: Node, release: tuple[str, ...], revision: str | None) -> None:
        """Take owners out of an object's references; an object that changed meanwhile is judged anew."""
        kept = [each for each in node.owners if each["uid"] not in release]
        metadata: Object = {"uid": node.uid, "ownerReferences": kept or None}
        if revision is not None:
            metadata["resourceVersion"] = revision
        try:
            await self._client.patch(node.resource, node.name, {"metadata": metadata}, namespace=node.namespace or None)
        except NotFound:
            return

    async def _drop_finalizer(self, node: Node, finalizer: str) -> None:
        current = await self._client.get_or_none(node.resource, node.name, node.namespace or None)
        if current is None or meta.uid(current) != node.uid or finalizer not in meta.finalizers(current):
            return
        kept = [each for each in meta.finalizers(current) if each != finalizer]
        metadata = {"uid": node.uid, "resourceVersion": meta.resource_version(current), "finalizers": kept or None}
        try:
            await self._client.patch(node.resource, node.name, {"metadata": metadata}, namespace=node.namespace or None)
        except NotFound:
            return

    async def _delete(self, node: Node, propagation: str, revision: str) -> None:
        try:
            await self._client.delete(
                node.resource, node.name, node.namespace or None, propagation=propagation, uid=node.uid, resource_version=revision
            )
        except NotFound:
            return
        except Conflict:
            self._controller.queue.add_after(node.uid, 0.05)
            return
        about = _about(node)
        owners = ", ".join(f"{each['kind']} {each['name']}" for each in node.owners)
        self._recorder.decide(about, "OwnerGone", f"Deleted since nothing that owns it is left ({owners})", propagation=propagation)

    def _remember_absent(self, uid: str) -> None:
        """A uid is never given twice: what was gone stays gone."""
        self._absent[uid] = None
        if len(self._absent) > REMEMBERED:
            self._absent.popitem(last=False)

    def _say_misplaced(self, node: Node, reference: Object) -> None:
        message = (
            f"ownerRef [{reference['apiVersion']}/{reference['kind']}, name: {reference['name']}, uid: {reference['uid']}] "
            f"does not exist in namespace {node.namespace!r}"
        )
        self._recorder.say(_about(node), "Warning", "OwnerRefInvalidNamespace", message)


def _about(node: Node) -> Object:
    metadata = {"name": node.name, "namespace": node.namespace, "uid": node.uid}
    return {"apiVersion": node.resource.api_version, "kind": node.resource.kind, "metadata": metadata}
