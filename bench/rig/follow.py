"""Follows a collection with one watch and tells when something was seen.

The project's own client does this: a handful of events a second are no load for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bench.rig.figures import now
from bench.rig.objects import NAMESPACE
from pilothouse.aio.tasks import running
from pilothouse.client.client import Client
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

DEADLINE_S = 120.0
Fits = Callable[[str, Object], bool]


class Follower:
    """events: what the watch has told since the beginning, with the moment of each."""

    def __init__(self, client: Client, resource: Resource) -> None:
        self._client = client
        self._resource = resource
        self._news = asyncio.Condition()
        self.events: list[tuple[str, Object, float]] = []

    async def run(self, ready: asyncio.Event) -> None:
        start = (await self._client.list(self._resource, NAMESPACE, limit=1)).resource_version
        watch = self._client.watch(self._resource, NAMESPACE, resource_version=start, bookmarks=False, timeout_s=3600)
        async with watch as events:
            ready.set()
            async for kind, obj in events:
                moment = now()
                async with self._news:
                    self.events.append((kind, obj, moment))
                    self._news.notify_all()
        raise ConnectionError(f"the server has ended the watch of {self._resource.plural}")

    async def until(self, fits: Fits, *, since: int = 0, deadline_s: float = DEADLINE_S) -> float:
        """When the first event that fits came, among those from index `since` on; raises TimeoutError."""
        at = since
        async with asyncio.timeout(deadline_s), self._news:
            while True:
                for kind, obj, moment in self.events[at:]:
                    if fits(kind, obj):
                        return moment
                at = len(self.events)
                await self._news.wait()


@asynccontextmanager
async def following(client: Client, resource: Resource) -> AsyncIterator[Follower]:
    follower = Follower(client, resource)
    async with running(follower.run):
        yield follower


def all_of(count: int, fits: Fits) -> Fits:
    """Fits with the event that makes it so many different objects that fitted."""
    seen: set[str] = set()

    def enough(kind: str, obj: Object) -> bool:
        if fits(kind, obj):
            seen.add(meta.name(obj))
        return len(seen) == count

    return enough
