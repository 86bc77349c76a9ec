"""A cache of the objects of one resource, kept current by list and watch.

Invariant: the cache is the state of the cluster at one revision (`revision`), and callbacks see each difference between two
such states exactly once, in revision order, after the cache has taken it. A connection that ends is resumed where it
stopped; only a compacted revision leads to a new list, whose differences to the cache are told like any other change.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import structlog

from pilothouse.client.client import Client
from pilothouse.client.index import Index, IndexKeys
from pilothouse.model import meta
from pilothouse.model.errors import ApiError
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

log = structlog.get_logger("client.informer")

ChangeCallback = Callable[[Object | None, Object | None], None]
GONE = 410
PORTION = 500


class Informer:
    """indexes: name -> the values under which an object is found with `by_index`.

    A watch lasts `watch_s` seconds (and up to as much again, at random) before it is silently renewed, so that a connection
    that is dead without either end knowing is noticed.
    """

    BACKOFF_S: ClassVar[tuple[float, float]] = (0.2, 15.0)
    OVERDUE_S: ClassVar[float] = 30.0

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        indexes: Mapping[str, IndexKeys] | None = None,
        watch_s: int = 300,
    ) -> None:
        self.client = client
        self.resource = resource
        self.namespace = namespace
        self.label_selector = label_selector
        self.field_selector = field_selector
        self.revision = ""
        self._watch_s = watch_s
        self._items: dict[str, Object] = {}
        self._indexes = {name: Index(keys) for name, keys in (indexes or {}).items()}
        self._callbacks: list[ChangeCallback] = []
        self._synced = asyncio.Event()
        self._failures = 0

    @property
    def synced(self) -> bool:
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Until the first list is in the cache."""
        await self._synced.wait()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> Object | None:
        """key: `namespace/name`, or `name` of a cluster-scoped object."""
        return self._items.get(key)

    def items(self) -> list[Object]:
        return list(self._items.values())

    def keys(self) -> list[str]:
        return list(self._items)

    def by_index(self, index: str, value: str) -> list[Object]:
        return [self._items[key] for key in self._indexes[index].keys(value)]

    def add_index(self, name: str, keys: IndexKeys) -> None:
        """An index more, filled from what is in the cache; the same name again is the same index."""
        if name in self._indexes:
            return
        index = self._indexes[name] = Index(keys)
        for key, obj in self._items.items():
            index.put(key, obj)

    def on_change(self, callback: ChangeCallback) -> None:
        """callback(old, new): old None = added, new None = deleted. Called at once for what is in the cache already.

        An object that was deleted and made again under its name is told as both, never as one change. Callbacks are quick and
        synchronous; one that raises ends the informer, because a change that was half told cannot be told again.
        """
        self._callbacks.append(callback)
        for obj in self.items():
            callback(None, obj)

    @property
    def callbacks(self) -> tuple[ChangeCallback, ...]:
        """In the order in which they were registered."""
        return tuple(self._callbacks)

    def replace_callback(self, old: ChangeCallback, new: ChangeCallback | None) -> None:
        """Put another one in its place, which is not called for what is in the cache; None takes it off."""
        position = self._callbacks.index(old)
        self._callbacks[position : position + 1] = [] if new is None else [new]

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Keep the cache current until cancelled. ready: set after the first list."""
        while True:
            began = asyncio.get_running_loop().time()
            try:
                if not self.revision:
                    await self._list()
                    self._synced.set()
                    if ready is not None:
                        ready.set()
                await self._watch()
            except ApiError as error:
                if error.code == GONE:
                    self.revision = ""
                await self._back_off(error)
            except TimeoutError as error:
                log.info("watch is overdue", resource=self.resource.group_resource, error=str(error))
                await self._rest(began)
            else:
                await self._rest(began)

    async def _rest(self, began: float) -> None:
        """A connection that ends as soon as it has begun is not followed by the next at once."""
        if asyncio.get_running_loop().time() - began < 1:
            await self._back_off(None)

    async def _list(self) -> None:
        page = await self.client.list_all(
            self.resource, self.namespace, label_selector=self.label_selector, field_selector=self.field_selector
        )
        if self.synced:
            self._replace(page.items)
        else:
            await self._fill(page.items)
        self.revision = page.resource_version
        self._failures = 0

    async def _watch(self) -> None:
        timeout_s = self._watch_s + random.randrange(self._watch_s + 1)
        watching = self.client.watch(
            self.resource,
            self.namespace,
            resource_version=self.revision,
            label_selector=self.label_selector,
            field_selector=self.field_selector,
            timeout_s=timeout_s,
        )
        async with asyncio.timeout(timeout_s + self.OVERDUE_S), watching as events:
            async for type_, obj in events:
                self._apply(type_, obj)

    def _apply(self, type_: str, obj: Object) -> None:
        metadata = obj["metadata"]
        self.revision = metadata["resourceVersion"]
        self._failures = 0
        if type_ == "BOOKMARK":
            return
        namespace = metadata.get("namespace")
        key = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
        if type_ == "DELETED":
            self._drop(key, obj)
        else:
            self._put(key, obj)

    def _put(self, key: str, obj: Object) -> None:
        old = self._items.get(key)
        if old is not None:
            before, after = old["metadata"], obj["metadata"]
            if before["resourceVersion"] == after["resourceVersion"]:
                return
            if before.get("uid") != after.get("uid"):
                self._drop(key, old)
                old = None
        self._items[key] = obj
        for index in self._indexes.values():
            index.put(key, obj)
        for callback in self.callbacks:
            callback(old, obj)

    def _drop(self, key: str, last: Object) -> None:
        if self._items.pop(key, None) is None:
            return
        for index in self._indexes.values():
            index.drop(key)
        for callback in self.callbacks:
            callback(last, None)

    async def _fill(self, objects: Iterable[Object]) -> None:
        """The first list, which nobody relies on before it is whole: other tasks have their turns in between."""
        fresh = {meta.key(obj): obj for obj in objects}
        self._drop_others(fresh)
        for number, (key, obj) in enumerate(fresh.items(), start=1):
            self._put(key, obj)
            if number % PORTION == 0:
                await asyncio.sleep(0)

    def _replace(self, objects: Iterable[Object]) -> None:
        """Take a whole new state: tell what is gone, then what is new or different."""
        fresh = {meta.key(obj): obj for obj in objects}
        self._drop_others(fresh)
        for key, obj in fresh.items():
            self._put(key, obj)

    def _drop_others(self, fresh: Mapping[str, Object]) -> None:
        for key in [key for key in self._items if key not in fresh]:
            self._drop(key, self._items[key])

    async def _back_off(self, error: ApiError | None) -> None:
        first_s, most_s = self.BACKOFF_S
        delay_s = min(first_s * 2 ** min(self._failures, 16), most_s) * (0.5 + random.random() / 2)
        self._failures += 1
        if error is not None and error.code != GONE:
            log.warning("watch broken", resource=self.resource.group_resource, error=error.message, retry_s=round(delay_s, 2))
        await asyncio.sleep(delay_s)
