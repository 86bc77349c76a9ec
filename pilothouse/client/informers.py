"""One informer a resource and selection for all parts of a process, so that nothing is cached twice."""

import asyncio
from collections.abc import Mapping

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.index import IndexKeys
from pilothouse.client.informer import Informer
from pilothouse.model.resource import Resource


class Informers:
    """Ask with `of` for what is needed while the parts are built, then `run` them all."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._running = False
        self._informers: dict[tuple[str, str, str | None, str | None, str | None], Informer] = {}

    def of(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        indexes: Mapping[str, IndexKeys] | None = None,
    ) -> Informer:
        key = (resource.group_resource, resource.version, namespace, label_selector, field_selector)
        informer = self._informers.get(key)
        if informer is None:
            if self._running:
                raise RuntimeError(f"informers run already: ask for {resource.group_resource} before that")
            informer = Informer(self.client, resource, namespace=namespace, label_selector=label_selector, field_selector=field_selector)
            self._informers[key] = informer
        for name, keys in (indexes or {}).items():
            informer.add_index(name, keys)
        return informer

    def all(self) -> list[Informer]:
        return list(self._informers.values())

    async def wait_synced(self) -> None:
        for informer in list(self._informers.values()):
            await informer.wait_synced()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """All informers asked for so far, until cancelled. ready: set when each has its first list."""
        self._running = True
        async with scope() as tasks:
            for informer in self._informers.values():
                tasks.spawn(informer.run(), name=f"informer {informer.resource.group_resource}")
            await self.wait_synced()
            if ready is not None:
                ready.set()
