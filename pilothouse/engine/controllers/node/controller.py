"""Notices nodes that have fallen silent, and takes the consequences: taints, pods no longer ready, evictions.

A node is alive while its lease or its status changes. Time is counted from what this process has seen, not from what is written
there, so that neither a skewed clock nor a restart of ours condemns a node.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.controllers import pods
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.engine.controllers.node import plan
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import LEASES, NODES, PODS
from pilothouse.model.node_objects import SIMULATED_LEASE, is_simulated

LEASE_NAMESPACE = "kube-node-lease"
GRACE_S = 40.0
EVERY_SIMULATED = "every simulated node"
"""A key that no Node can have as its name."""


@dataclass(slots=True)
class Heartbeat:
    """The last sign of life seen, and when (loop time)."""

    sign: object
    seen: float


class NodeLifecycleController:
    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        grace_s: float = GRACE_S,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._grace_s = grace_s
        self._heartbeats: dict[str, Heartbeat] = {}
        self._all: set[str] = set()
        self._unready: set[str] = set()
        self._leases = informers.of(LEASES)
        self._nodes = Fresh(informers.of(NODES))
        self._pods = Fresh(informers.of(PODS), "node", pods.by_node)
        self._controller = Controller("node-lifecycle", self.reconcile, workers=2)
        self._evictions = Controller("taint-eviction", self.evict, workers=2)
        self._controller.watches(self._nodes.informer)
        self._controller.watches(self._pods.informer, lambda _: ())
        self._leases.on_change(self._lease_changed)
        self._nodes.informer.on_change(self._node_changed)
        self._pods.informer.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            tasks.spawn(self._controller.run(ready), name="node-lifecycle")
            tasks.spawn(self._evictions.run(), name="taint-eviction")

    async def reconcile(self, name: str) -> float | None:
        if name == EVERY_SIMULATED:
            return self._watch_simulated()
        node = self._nodes.get(name)
        if node is None:
            self._heartbeats.pop(name, None)
            return None
        if is_simulated(node) and SIMULATED_LEASE not in self._heartbeats:
            self._controller.queue.add(EVERY_SIMULATED)
        silent_s = self._silent_s(SIMULATED_LEASE if is_simulated(node) else name)
        if silent_s >= self._grace_s:
            node = await self._lose(node)
        node = await self._taint(node)
        if plan.readiness(node) != "True":
            await self._distrust_pods(node)
        if plan.evicts(node):
            # Without such a taint nobody's time is running out; pods that wait for theirs come round by themselves.
            for pod in self._pods.indexed(name):
                self._evictions.queue.add(meta.key(pod))
        if silent_s >= self._grace_s or is_simulated(node):
            return None
        return max(0.1, self._grace_s - silent_s)

    def _watch_simulated(self) -> float | None:
        """One look for all nodes that live by one Lease; they are thousands."""
        silent_s = self._silent_s(SIMULATED_LEASE)
        if silent_s < self._grace_s:
            return max(0.1, self._grace_s - silent_s)
        for node in self._nodes.informer.items():
            if is_simulated(node):
                self._controller.queue.add(meta.name(node))
        return None

    async def evict(self, key: str) -> float | None:
        """Delete a pod that does not tolerate its node's NoExecute taints, once its time is up."""
        pod = self._pods.get(key)
        node = None if pod is None else self._nodes.get(pods.node(pod))
        if pod is None or node is None or self._pods.is_leaving(pod):
            return None
        now = self._clock()
        at = plan.eviction_time(pod, (node.get("spec") or {}).get("taints") or [], now)
        if at is None:
            return None
        if at > now:
            return at - now
        self._recorder.say(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}", node=meta.name(node))
        name, namespace = meta.name(pod), meta.namespace(pod)
        # Before it goes: a Job's failure policy may leave such ends out of its count.
        change = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [plan.EVICTED | {"lastTransitionTime": meta.rfc3339(now)}]}}
        try:
            await self._client.patch(PODS, name, change, namespace=namespace, type=STRATEGIC_PATCH, subresource="status")
            await self._client.delete(PODS, name, namespace, uid=meta.uid(pod))
        except NotFound:
            return None
        self._pods.deleted(pod)
        return None

    async def _lose(self, node: Object) -> Object:
        status = plan.lost(node, self._clock())
        if status is None:
            return node
        message = f"Node {meta.name(node)} status is now: NodeNotReady"
        self._recorder.say(node, "Normal", "NodeNotReady", message, grace_s=self._grace_s)
        written = await self._client.update_status(NODES, node | {"status": status})
        self._nodes.wrote(written)
        return written

    async def _taint(self, node: Object) -> Object:
        tainted = plan.tainted(node, evicts=not self._is_disrupted(), now=self._clock())
        if tainted is None:
            return node
        written = await self._client.update(NODES, tainted)
        self._nodes.wrote(written)
        return written

    async def _distrust_pods(self, node: Object) -> None:
        for pod in self._pods.indexed(meta.name(node)):
            status = None if pods.is_finished(pod) else plan.distrusted(pod, self._clock())
            if status is None:
                continue
            try:
                self._pods.wrote(await self._client.update_status(PODS, pod | {"status": status}))
            except NotFound:
                continue
            self._recorder.say(pod, "Warning", "NodeNotReady", "Node is not ready", node=meta.name(node))

    def _silent_s(self, name: str) -> float:
        """name: of the Lease."""
        now = asyncio.get_running_loop().time()
        return now - self._heartbeats.setdefault(name, Heartbeat(None, now)).seen

    def _seen(self, name: str, sign: object) -> None:
        now = asyncio.get_running_loop().time()
        known = self._heartbeats.get(name)
        if known is None or known.sign != sign:
            self._heartbeats[name] = Heartbeat(sign, now)

    def _lease_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.namespace(new) == LEASE_NAMESPACE:
            self._seen(meta.name(new), (new.get("spec") or {}).get("renewTime"))
            if meta.name(new) == SIMULATED_LEASE:
                self._controller.queue.add(EVERY_SIMULATED)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A status written by the node itself is a sign of life, too; one change of readiness can turn the fate of all that are unready."""
        if new is not None and plan.readiness(new) == "True":
            heard = (meta.condition(new, "Ready") or {}).get("lastHeartbeatTime")
            if old is None or heard != (meta.condition(old, "Ready") or {}).get("lastHeartbeatTime"):
                self._seen(meta.name(new), ("status", heard))
        was_disrupted = self._is_disrupted()
        self._count(meta.name(new or old or {}), new)
        if self._is_disrupted() != was_disrupted:
            for name in self._unready:
                self._controller.queue.add(name)

    def _count(self, name: str, node: Object | None) -> None:
        for names, is_one in ((self._all, node is not None), (self._unready, node is not None and plan.readiness(node) != "True")):
            if is_one:
                names.add(name)
            else:
                names.discard(name)

    def _is_disrupted(self) -> bool:
        return plan.is_disrupted(len(self._unready), len(self._all))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """A pod may come to a node that is tainted already."""
        if new is not None and pods.node(new) and (old is None or not pods.node(old)):
            self._evictions.queue.add(meta.key(new))
