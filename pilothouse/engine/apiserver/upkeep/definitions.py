"""The life of a CustomResourceDefinition after its write: the names it is given, and its instances' end.

Follows the store, so that neither a request that is given up nor a crash leaves a definition half done: at a start, all are looked at.
Source: apiextensions-apiserver pkg/controller/{status,establish,finalizer}.
"""

import asyncio
import time

from pilothouse.aio.tasks import each
from pilothouse.engine.apiserver.admission.context import Write
from pilothouse.engine.apiserver.crds.naming import ending_status, status_of
from pilothouse.engine.apiserver.crds.serving import PREFIX
from pilothouse.engine.apiserver.kinds.crd.definition import FINALIZER
from pilothouse.engine.apiserver.kinds.registry import BUILT_IN
from pilothouse.engine.apiserver.resources.keys import place_of
from pilothouse.engine.apiserver.upkeep.reconciler import Reconciler
from pilothouse.engine.store.errors import Mismatch
from pilothouse.engine.store.record import Change, Record
from pilothouse.engine.store.store import Store
from pilothouse.engine.store.watches import Watch
from pilothouse.model import meta
from pilothouse.model.json import Object

MOST_AT_ONCE = 500
_AT_A_TIME = 16
_LOOKED_AT_ONCE = 200
"""Instances: some milliseconds."""


class Definitions:
    """Keys of its queue are definitions' names, which are also the names of their instances' resources."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue = Reconciler("definitions", self._mend)
        self._instances: dict[str, Watch] = {}

    async def run(self) -> None:
        """Works until it is cancelled."""
        watch = self._store.watch(PREFIX, self._store.revision, self._note)
        try:
            for record in self._store.scan(PREFIX):
                self._queue.note(_name(record))
            await self._queue.run()
        finally:
            for each_watch in (watch, *self._instances.values()):
                each_watch.close()

    async def caught_up(self, write: Write) -> None:
        """See `write.path.Follower`: a definition is served, or gone, when its write is answered, if that takes only a moment."""
        await self._queue.caught_up(write.group_resource if write.served.custom else write.name)

    def _note(self, change: Change) -> None:
        self._queue.note(_name(change.record))
        if change.type == "DELETED":  # Its names are free for others that wait for one.
            for other in self._others(change.record):
                self._queue.note(_name(other))

    async def _mend(self, name: str) -> None:
        record = self._store.latest(f"{PREFIX}/{name}")
        try:
            if record is None:
                self._stop_watching(name)
            elif meta.is_deleting(record.value):
                await self._clean_up(name, record)
            else:
                await self._establish(record)
        except Mismatch:
            self._queue.note(name)

    async def _establish(self, record: Record) -> None:
        """Write what names the definition has been given. Raises Mismatch."""
        others = [other.value for other in self._others(record)] + _own_of(record)
        status = status_of(record.value, others, meta.rfc3339(time.time()))
        if status != record.value.get("status"):
            await self._store.update(record.key, record.value | {"status": status}, expected=record.revision)

    def _others(self, record: Record) -> list[Record]:
        """The other definitions of its group, by their keys: a definition is called PLURAL.GROUP, and those of all groups are large."""
        group = _group(record)
        return [other for other in self._store.scan(PREFIX) if other.key != record.key and _group(other) == group]

    async def _clean_up(self, name: str, record: Record) -> None:
        """Remove instances, and then the definition; instances with finalizers hold it back, and it says by which. Raises Mismatch.

        What is stored under the name of one of the cluster's own resources is not the definition's.
        """
        if name in BUILT_IN:
            await self._release(record)
            return
        if name not in self._instances:
            self._instances[name] = self._store.watch(f"/{name}/", self._store.revision, lambda change: self._queue.note(name))
        left = await self._to_remove(name)
        await each([self._remove(instance) for instance in left[:MOST_AT_ONCE]], limit=_AT_A_TIME)
        if len(left) > MOST_AT_ONCE:
            self._queue.note(name)
        elif held := self._store.scan(f"/{name}/"):
            await self._say_who_holds(record, held)
        else:
            await self._release(record)

    async def _to_remove(self, name: str) -> list[Record]:
        """Instances that are not held, one more than are removed at once; looked at in turns with whatever else the event loop does."""
        left: list[Record] = []
        for number, instance in enumerate(self._store.scan(f"/{name}/")):
            if number % _LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
            if not _is_held(instance):
                left.append(instance)
            if len(left) > MOST_AT_ONCE:
                break
        return left

    async def _say_who_holds(self, record: Record, held: list[Record]) -> None:
        """Raises Mismatch."""
        finalizers: set[str] = set()
        for number, instance in enumerate(held):
            if number % _LOOKED_AT_ONCE == 0:
                await asyncio.sleep(0)
            finalizers.update(meta.finalizers(instance.value))
        status = ending_status(record.value, finalizers, meta.rfc3339(time.time()))
        if finalizers and status != record.value.get("status"):
            await self._store.update(record.key, record.value | {"status": status}, expected=record.revision)

    async def _remove(self, instance: Record) -> None:
        """Delete an instance, or mark it for those who hold it; one that has changed meanwhile is noted by its change."""
        try:
            if not meta.finalizers(instance.value):
                await self._store.delete(instance.key, expected=instance.revision)
                return
            stamp = {"deletionTimestamp": meta.rfc3339(time.time()), "deletionGracePeriodSeconds": 0}
            value = instance.value | {"metadata": instance.value["metadata"] | stamp}
            await self._store.update(instance.key, value, expected=instance.revision)
        except Mismatch:
            return

    async def _release(self, record: Record) -> None:
        left = [finalizer for finalizer in meta.finalizers(record.value) if finalizer != FINALIZER]
        metadata = {k: v for k, v in record.value["metadata"].items() if k != "finalizers"}
        value: Object = record.value | {"metadata": metadata | ({"finalizers": left} if left else {})}
        if not left:
            await self._store.delete(record.key, expected=record.revision, value=value)
        elif value != record.value:
            await self._store.update(record.key, value, expected=record.revision)

    def _stop_watching(self, name: str) -> None:
        watch = self._instances.pop(name, None)
        if watch is not None:
            watch.close()


def _name(record: Record) -> str:
    return place_of(record.key)[1]


def _group(record: Record) -> str:
    return _name(record).partition(".")[2]


def _own_of(record: Record) -> list[Object]:
    """As a definition that has the name already: the cluster's own resource of that name."""
    kind = BUILT_IN.get(_name(record))
    return [] if kind is None else [{"status": {"acceptedNames": {"plural": kind.resource.plural}}}]


def _is_held(instance: Record) -> bool:
    """Whether nothing is left to do with an instance but to wait for those who hold it."""
    if b'"deletionTimestamp"' not in instance.raw:
        return False
    value = instance.peek()
    return meta.is_deleting(value) and bool(meta.finalizers(value))
