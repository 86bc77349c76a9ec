"""Single objects, each watched for as long as something refers to it.

For those who may read what certain objects refer to, and nothing else: a node what its pods name, a gateway the Secrets of its
Ingresses. So there is no list or watch of all Secrets.
Source: kubernetes pkg/kubelet/util/manager/watch_based_manager.go.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from pilothouse.aio.tasks import TaskSet
from pilothouse.client.client import Client
from pilothouse.client.informer import Informer
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

FIRST_LIST_S = 2.0
"""How long the first answer of a watch is waited for, which comes as soon as one to a question of our own would."""


class Reference(NamedTuple):
    resource: Resource
    namespace: str
    name: str


@dataclass(slots=True)
class _Watch:
    informer: Informer
    task: "asyncio.Task[None]"
    holders: set[str] = field(default_factory=set)


class WatchedObjects:
    """changed: called when an object that somebody holds has come, changed or gone."""

    def __init__(self, client: Client, changed: Callable[[Reference], None]) -> None:
        self._client = client
        self._changed = changed
        self._watches: dict[Reference, _Watch] = {}
        self._held: dict[str, frozenset[Reference]] = {}
        self._tasks: TaskSet | None = None

    def __len__(self) -> int:
        return len(self._watches)

    def hold(self, holder: str, wanted: frozenset[Reference]) -> None:
        """Watch these for the holder, and no longer what it held before."""
        before = self._held.get(holder, frozenset())
        if wanted:
            self._held[holder] = wanted
        else:
            self._held.pop(holder, None)
        for reference in wanted - before:
            self._watch(reference).holders.add(holder)
        for reference in before - wanted:
            self._let_go(reference, holder)

    def release(self, holder: str) -> None:
        self.hold(holder, frozenset())

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """From the watch; asked for directly when that has nothing, for it may be younger than the watch's news. Raises ApiError."""
        watch = self._watches.get(Reference(resource, namespace, name))
        if watch is None:
            return await self._client.get_or_none(resource, name, namespace)
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LIST_S):
                await watch.informer.wait_synced()
        found = watch.informer.get(f"{namespace}/{name}")
        return found if found is not None else await self._client.get_or_none(resource, name, namespace)

    async def synced(self, references: Iterable[Reference]) -> None:
        """Wait until each of them that is held has been looked at once, for at most `FIRST_LIST_S` in all."""
        watches = [watch for reference in references if (watch := self._watches.get(reference)) is not None]
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LIST_S):
                for watch in watches:
                    await watch.informer.wait_synced()

    def known(self, reference: Reference) -> Object | None:
        """From the watch of one that is held; None when it does not exist, or has not been looked at."""
        watch = self._watches.get(reference)
        return None if watch is None else watch.informer.get(f"{reference.namespace}/{reference.name}")

    async def close(self) -> None:
        """No watch goes on; holding again begins them anew."""
        self._watches.clear()
        self._held.clear()
        tasks, self._tasks = self._tasks, None
        if tasks is not None:
            await tasks.close()

    def _watch(self, reference: Reference) -> _Watch:
        watch = self._watches.get(reference)
        if watch is None:
            self._tasks = self._tasks or TaskSet()
            informer = Informer(
                self._client, reference.resource, namespace=reference.namespace, field_selector=f"metadata.name={reference.name}"
            )
            informer.on_change(lambda old, new: self._changed(reference))
            watch = self._watches[reference] = _Watch(informer, self._tasks.start(informer.run()))
        return watch

    def _let_go(self, reference: Reference, holder: str) -> None:
        watch = self._watches[reference]
        watch.holders.discard(holder)
        if not watch.holders:
            del self._watches[reference]
            watch.task.cancel()
