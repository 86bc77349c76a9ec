"""Keeps the build environment's Secret as the host's settings and `ph config` say."""

import asyncio

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import dumps
from pilothouse.platform.builds import environment
from pilothouse.platform.builds.environment import Found
from pilothouse.platform.builds.pod import CONFIG, ENVIRONMENT, SYSTEM

FOUND = "builds.pilothouse.dev/found"
"""Annotation: what the host's own settings say, as JSON: key -> value and origin."""


class EnvironmentKeeper:
    """found: what the host's own settings say; None on a cluster whose builds have only what `ph config` sets."""

    def __init__(self, client: Client, informers: Informers, found: Found | None) -> None:
        self.client = client
        self.found = found or Found()
        self.settings = informers.of(kinds.CONFIGMAPS, namespace=SYSTEM)
        self.controller = Controller("build-environment", self.reconcile)
        self.controller.watches(self.settings, lambda obj: CONFIG if meta.name(obj) == CONFIG else None)
        self.controller.queue.add(CONFIG)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def reconcile(self, key: str) -> None:
        config = (self.settings.get(f"{SYSTEM}/{CONFIG}") or {}).get("data") or {}
        data = environment.secret_data(environment.overridden(self.found, config))
        marks = {FOUND: dumps(environment.shown(self.found)).decode()}
        wanted = {"metadata": {"name": ENVIRONMENT, "namespace": SYSTEM, "annotations": marks}, "data": data}
        try:
            current = await self.client.get(kinds.SECRETS, ENVIRONMENT, SYSTEM)
        except NotFound:
            await self.client.create(kinds.SECRETS, wanted)
            return
        if (current.get("data") or {}) != data or meta.annotations(current).get(FOUND) != marks[FOUND]:
            await self.client.update(kinds.SECRETS, wanted)
