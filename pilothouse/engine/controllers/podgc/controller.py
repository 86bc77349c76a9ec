"""Removes pods by force that nobody else can end, or of which there are too many.

Pods on a node that does not exist wait for a while, in which it may come to be, and are asked for once more before they go.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.controllers import batches, pods
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.podgc import plan
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import NODES, PODS

QUARANTINE_S = 40.0
AT_ONCE = 20
AGAIN_S = 1.0
_ALL = "terminated"
"""The one key of the queue for those that have ended."""


class PodGarbageCollector:
    """quarantine_s: how long pods on a node that does not exist are left alone. kept: how many pods that have ended stay."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        *,
        quarantine_s: float = QUARANTINE_S,
        kept: int = plan.TERMINATED_KEPT,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._quarantine_s = quarantine_s
        self._kept = kept
        self._stranded: dict[str, dict[str, float]] = {}
        self._terminated: set[str] = set()
        self._nodes = Fresh(informers.of(NODES))
        self._pods = Fresh(informers.of(PODS), "node", pods.by_node)
        self._of_nodes = Controller("podgc-nodes", self.reconcile_node)
        self._unscheduled = Controller("podgc-unscheduled", self.reconcile_pod)
        self._ended = Controller("podgc-terminated", self.reconcile_terminated)
        self._of_nodes.watches(self._nodes.informer)
        self._of_nodes.watches(self._pods.informer, self._node_to_look_at)
        self._unscheduled.watches(self._pods.informer, lambda pod: meta.key(pod) if plan.is_unscheduled_and_terminating(pod) else None)
        self._ended.watches(self._pods.informer, lambda _: ())
        self._pods.informer.on_change(self._count)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            tasks.spawn(self._of_nodes.run(ready), name="podgc-nodes")
            tasks.spawn(self._unscheduled.run(), name="podgc-unscheduled")
            tasks.spawn(self._ended.run(), name="podgc-terminated")

    async def reconcile_node(self, name: str) -> float | None:
        node = self._nodes.get(name)
        if node is None:
            return await self._clear(name)
        self._stranded.pop(name, None)
        if plan.is_out_of_service(node):
            leaving = [pod for pod in self._pods.indexed(name) if meta.is_deleting(pod)]
            return await self._remove(leaving, "OutOfService", f"Deleted by force since its node {name} is out of service")
        return None

    async def reconcile_pod(self, key: str) -> float | None:
        pod = self._pods.get(key)
        # One that is held by a finalizer has been marked by an earlier round, and nothing more can be done about it.
        if pod is None or not plan.is_unscheduled_and_terminating(pod) or pods.is_finished(pod):
            return None
        return await self._remove([pod], "UnscheduledTerminating", "Deleted by force since no node has it")

    async def reconcile_terminated(self, key: str) -> float | None:
        excess = len(self._terminated) - self._kept
        if excess <= 0:
            return None
        found = [pod for key in self._terminated if (pod := self._pods.get(key)) is not None and not meta.is_deleting(pod)]
        victims = plan.oldest_terminated(found, min(excess, plan.BURST))
        await self._remove(victims, "TooManyTerminated", f"Deleted since more than {self._kept} pods have ended")
        return AGAIN_S if excess > len(victims) and victims else None

    async def _clear(self, name: str) -> float | None:
        """Remove the pods that have been on a node that does not exist for as long as the quarantine."""
        now = asyncio.get_running_loop().time()
        known, stranded = self._stranded.pop(name, {}), self._pods.indexed(name)
        since = {meta.uid(pod): known.get(meta.uid(pod), now) for pod in stranded}
        due = [pod for pod in stranded if now - since[meta.uid(pod)] >= self._quarantine_s]
        if due and await self._client.get_or_none(NODES, name) is not None:
            return None
        again_s = await self._remove(due, "NodeGone", f"Deleted by force since its node {name} does not exist", plan.NODE_GONE)
        waiting = {uid: at for uid, at in since.items() if now - at < self._quarantine_s}
        if not waiting:
            return again_s
        self._stranded[name] = waiting
        left_s = min(waiting.values()) + self._quarantine_s - now
        return left_s if again_s is None else min(left_s, again_s)

    async def _remove(self, victims: Sequence[Object], reason: str, why: str, condition: Object | None = None) -> float | None:
        """At most a burst of them; returns when to look again for the rest. One that cannot be removed does not hold the others up."""
        errors = []
        for begin in range(0, min(len(victims), plan.BURST), AT_ONCE):
            group = victims[begin : min(begin + AT_ONCE, plan.BURST)]
            errors += await batches.each(group, lambda pod: self._remove_one(pod, reason, why, condition))
        if errors:
            raise errors[0]
        return AGAIN_S if len(victims) > plan.BURST else None

    async def _remove_one(self, pod: Object, reason: str, why: str, condition: Object | None) -> None:
        self._recorder.decide(pod, reason, why, node=pods.node(pod))
        name, namespace = meta.name(pod), meta.namespace(pod)
        try:
            # First of all it has ended: what is held by a finalizer would seem to run for ever otherwise.
            if (status := plan.failed(pod, condition, self._clock())) is not None:
                change = {"metadata": {"uid": meta.uid(pod)}, "status": status}
                self._pods.wrote(
                    await self._client.patch(PODS, name, change, namespace=namespace, type=STRATEGIC_PATCH, subresource="status")
                )
            await self._client.delete(PODS, name, namespace, grace_s=0, uid=meta.uid(pod))
        except NotFound:
            return

    def _node_to_look_at(self, pod: Object) -> str | None:
        """The node of a pod that may be garbage there."""
        name = pods.node(pod)
        node = self._nodes.get(name) if name else None
        if not name or (node is not None and not (meta.is_deleting(pod) and plan.is_out_of_service(node))):
            return None
        return name

    def _count(self, old: Object | None, new: Object | None) -> None:
        if new is not None and pods.is_finished(new):
            self._terminated.add(meta.key(new))
            if len(self._terminated) > self._kept:
                self._ended.queue.add(_ALL)
        elif (gone := new if new is not None else old) is not None:
            self._terminated.discard(meta.key(gone))
