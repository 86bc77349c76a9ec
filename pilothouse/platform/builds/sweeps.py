"""Tidies the builder's store after builds that could not do it themselves: cancelled, killed, or lost with their pod or App.

A pod on the same node runs the build program's `sweep`. It belongs to no Build, which may be gone, and is removed when it has ended, or
when its node is no more; for a node that is away it waits.
A sweep that a crash of the platform forgets is made up for by the next build, which sweeps too.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.model import kinds, meta
from pilothouse.model.errors import AlreadyExists, Forbidden, NotFound
from pilothouse.model.json import Object
from pilothouse.platform.builds import program
from pilothouse.platform.builds.plan import DONE
from pilothouse.platform.builds.pod import BUILD, SYSTEM, BuilderConfig, pod_name, sweep_pod
from pilothouse.platform.builds.resource import BUILDS

SWEEP = "builds.pilothouse.dev/sweep"
"""Label of a sweeping pod: the uid of the build that it tidies up after."""
HOSTNAME = "kubernetes.io/hostname"
LOOK_S = 60.0
"""How often a sweep that has not ended is held against its node."""


class Sweeps:
    """config: what pods are made with at the moment."""

    def __init__(self, client: Client, informers: Informers, config: Callable[[], BuilderConfig]) -> None:
        self.client = client
        self.config = config
        self.builds = informers.of(BUILDS)
        self.pods = informers.of(kinds.PODS)
        self._due: dict[str, tuple[str, str]] = {}
        self.controller = Controller("build-sweeps", self.reconcile)
        self.controller.watches(self.pods, lambda pod: meta.name(pod) if SWEEP in meta.labels(pod) else None)
        self.builds.on_change(self._changed)
        self.pods.on_change(self._removed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or is_done(old) or (new is not None and not leaves_something(new)):
            return
        pod = self.pods.get(f"{meta.namespace(old)}/{pod_name(old)}")
        self.due(meta.uid(old), (pod or {}).get("spec", {}).get("nodeName", ""))

    def _removed(self, old: Object | None, new: Object | None) -> None:
        """A pod that goes while its build runs in it may have been removed by force."""
        if old is None or new is not None or (old.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return
        owner = meta.controller_of(old) if BUILD in meta.labels(old) else None
        if owner is not None:
            self.due(owner["uid"], old["spec"].get("nodeName", ""))

    def due(self, uid: str, node: str) -> None:
        """The build with that uid has ended on the node, or was taken from it; "" when it came to none, and has left nothing."""
        if node:
            name = sweep_name(uid, node)
            self._due[name] = uid, node
            self.controller.queue.add(name)

    async def reconcile(self, name: str) -> float | None:
        pod = self.pods.get(f"{SYSTEM}/{name}")
        if pod is None:
            await self._create(name)
            return None
        if meta.is_deleting(pod):
            return None
        node = pod["spec"].get("nodeName") or (pod["spec"].get("nodeSelector") or {}).get(HOSTNAME, "")
        if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed") and await self._exists(node):
            return LOOK_S  # it waits for a node that is away, and goes with it
        with contextlib.suppress(NotFound):
            await self.client.delete(kinds.PODS, name, SYSTEM, uid=meta.uid(pod))
        return None

    async def _create(self, name: str) -> None:
        if name not in self._due or not self.config().image:
            return
        uid, node = self._due[name]
        if await self._exists(node):
            with contextlib.suppress(AlreadyExists):
                await self.client.create(kinds.CONFIGMAPS, program.config_map(SYSTEM))
            with contextlib.suppress(AlreadyExists):
                await self.client.create(kinds.PODS, sweep_pod(name, {SWEEP: uid}, uid, node, self.config()))
        self._due.pop(name, None)

    async def _exists(self, node: str) -> bool:
        """Who may not read Nodes takes them to exist."""
        try:
            return await self.client.get_or_none(kinds.NODES, node) is not None
        except Forbidden:
            return True


def sweep_name(uid: str, node: str) -> str:
    """Of the sweeping pod, another one for each node on which the build was."""
    return f"build-sweep-{uid[:8]}-{hashlib.sha256(node.encode()).hexdigest()[:8]}"


def is_done(build: Object) -> bool:
    return (build.get("status") or {}).get("phase") in DONE


def leaves_something(build: Object) -> bool:
    """Whether the build has ended otherwise than by its own program, which sweeps after itself and says what its steps were."""
    status = build.get("status") or {}
    return meta.is_deleting(build) or (is_done(build) and status["phase"] != "Succeeded" and not status.get("steps"))
