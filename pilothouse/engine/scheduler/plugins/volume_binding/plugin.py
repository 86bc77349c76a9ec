"""The claims of a pod among the extension points: they narrow the nodes, and are bound before the pod is.

While its volumes are made the pod holds its place on the node, for BIND_S; then it gives the place back and waits without it, since whoever
makes the volumes may take minutes or never come. When a volume cannot be made there, the pod is tried on other nodes.
Source: kubernetes pkg/scheduler/framework/plugins/volumebinding, volumerestrictions.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.engine.scheduler.framework.plugin import NodeFilter, Refusal
from pilothouse.engine.scheduler.plugins.volume_binding.claims import CONFLICT, NOT_MADE, Claims
from pilothouse.engine.scheduler.snapshot.events import Event, NodeChanged, PodLeft, VolumesChanged
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model.errors import Conflict
from pilothouse.model.kinds import NODES, PODS

BIND_S = 2.0


class VolumeBinding:
    name = "VolumeBinding"

    def __init__(self, client: Client, informers: Informers) -> None:
        self.claims = Claims(client, informers)
        self._pods = informers.of(PODS)
        self._nodes = informers.of(NODES)
        self._next_change = asyncio.Event()

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call back whenever a pod with claims may fit that did not before."""

        def told() -> None:
            self._next_change.set()
            self._next_change = asyncio.Event()
            changed()

        self.claims.on_change(told)

    def pre_filter(self, pod: PodInfo, snapshot: Snapshot) -> NodeFilter | None:
        found = self._pods.get(pod.key)
        if found is None or not pod.shape.claims:
            return None
        wanted = self.claims.of(found)
        if wanted.trouble:
            trouble = Refusal(self.name, (wanted.trouble,), is_final=True, is_of_pod=True)
            return lambda node: trouble

        def judge(node: NodeInfo) -> Refusal | None:
            at = self._nodes.get(node.name)
            why = None if at is None else self.claims.refusal(wanted, at)
            return None if why is None else Refusal(self.name, (why,), is_final=True)

        return judge

    def hint(self, pod: PodInfo, event: Event) -> bool:
        return isinstance(event, VolumesChanged | PodLeft | NodeChanged)

    async def pre_bind(self, pod: PodInfo, node: str) -> Refusal | None:
        if not pod.shape.claims:
            return None
        told: dict[str, str] = {}
        deadline = asyncio.get_running_loop().time() + BIND_S
        while True:
            change = self._next_change
            found, at = self._pods.get(pod.key), self._nodes.get(node)
            if found is None or at is None:
                return Refusal(self.name, ("node(s) or pod are gone",), is_quiet=True)
            wanted = self.claims.of(found)
            if wanted.trouble:
                return Refusal(self.name, (wanted.trouble,), is_final=True, is_of_pod=True)
            if not wanted.open:
                why = self.claims.refusal(wanted, at)
                return None if why is None else Refusal(self.name, (CONFLICT,), is_final=True)
            if self.claims.given_back(wanted, at, told):
                return Refusal(self.name, (NOT_MADE,), is_quiet=True, is_worth_another=True)
            try:
                async with asyncio.timeout_at(deadline):
                    with suppress(Conflict):  # One that has changed meanwhile is looked at again.
                        await self.claims.prepare(wanted, at, told)
                    await change.wait()
            except TimeoutError:
                return Refusal(self.name, ("the pod's volumes are being made",), is_quiet=True)
