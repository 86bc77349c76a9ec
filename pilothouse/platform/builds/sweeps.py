"""Tidies the builder's store after builds that could not do it themselves: cancelled, killed, or lost with their pod or App.

A pod on the same node runs the build program's `sweep`. It belongs to no Build, which may be gone, and is removed when it has ended.
A sweep that a crash of the platform forgets is made up for by the next build, which sweeps too.
"""

import asyncio
import contextlib
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, NotFound
from pilothouse.model.json import Object
from pilothouse.platform.builds import program
from pilothouse.platform.builds.plan import DONE
from pilothouse.platform.builds.pod import SYSTEM, BuilderConfig, pod_name, sweep_pod
from pilothouse.platform.builds.resource import BUILDS

SWEEP = "builds.pilothouse.dev/sweep"
"""Label of a sweeping pod: the uid of the build that it tidies up after."""


class Sweeps:
    """config: what pods are made with at the moment."""

    def __init__(self, client: Client, informers: Informers, config: Callable[[], BuilderConfig]) -> None:
        self.client = client
        self.config = config
        self.builds = informers.of(BUILDS)
        self.pods = informers.of(kinds.PODS)
        self._due: dict[str, str] = {}
        self.controller = Controller("build-sweeps", self.reconcile)
        self.controller.watches(self.pods, lambda pod: meta.labels(pod).get(SWEEP))
        self.builds.on_change(self._changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or is_done(old) or (new is not None and not leaves_something(new)):
            return
        pod = self.pods.get(f"{meta.namespace(old)}/{pod_name(old)}")
        self._due[meta.uid(old)] = (pod or {}).get("spec", {}).get("nodeName", "")
        self.controller.queue.add(meta.uid(old))

    async def reconcile(self, uid: str) -> None:
        name = f"build-sweep-{uid[:8]}"
        pod = self.pods.get(f"{SYSTEM}/{name}")
        if pod is not None:
            if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") and not meta.is_deleting(pod):
                with contextlib.suppress(NotFound):
                    await self.client.delete(kinds.PODS, name, SYSTEM, uid=meta.uid(pod))
        elif uid in self._due and self.config().image:
            with contextlib.suppress(AlreadyExists):
                await self.client.create(kinds.CONFIGMAPS, program.config_map(SYSTEM))
            with contextlib.suppress(AlreadyExists):
                await self.client.create(kinds.PODS, sweep_pod(name, {SWEEP: uid}, uid, self._due[uid], self.config()))
            del self._due[uid]


def is_done(build: Object) -> bool:
    return (build.get("status") or {}).get("phase") in DONE


def leaves_something(build: Object) -> bool:
    """Whether the build has ended otherwise than by its own program, which sweeps after itself and says what its steps were."""
    status = build.get("status") or {}
    return meta.is_deleting(build) or (is_done(build) and status["phase"] != "Succeeded" and not status.get("steps"))
