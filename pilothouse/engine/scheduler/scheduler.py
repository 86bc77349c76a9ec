"""The loop: a pod without a node is taken from the queue, given one, and bound; one that fits nowhere waits with a back-off.

What would let a waiting pod fit (a node that changes, a pod that ends) brings all waiting pods back at once. The decision
itself is synchronous: between looking and assuming nothing else runs, so workers may bind side by side.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.scheduler.demand import demand_of
from pilothouse.engine.scheduler.inter_pod_affinity import InterPodAffinity, Pod
from pilothouse.engine.scheduler.nodes import ENDED, Nodes
from pilothouse.engine.scheduler.plugins import best, refusals
from pilothouse.model import kinds, meta
from pilothouse.model.errors import ApiError, NotFound
from pilothouse.model.json import Object

NAME = "default-scheduler"
RETRY_S = 60.0
"""How long a pod that fits nowhere rests when nothing changes: a repair, not the way it is found."""


class Scheduler:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder) -> None:
        self.client = client
        self.recorder = recorder
        self.pods = informers.of(kinds.PODS)
        self.nodes = Nodes()
        self._waiting: set[str] = set()
        self._drawn: set[str] = set()
        self._namespaces = informers.of(kinds.NAMESPACES)
        self.controller = Controller("scheduler", self.schedule, workers=8)
        node_informer = informers.of(kinds.NODES)
        node_informer.on_change(self.nodes.node_changed)
        self.pods.on_change(self.nodes.pod_changed)
        self.controller.watches(self.pods, _key_if_unassigned)
        node_informer.on_change(self._node_changed)
        self.pods.on_change(self._pod_changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def schedule(self, key: str) -> float | None:
        """Give the pod a node; returns when to look again if none fits."""
        self._waiting.discard(key)
        pod = self.pods.get(key)
        if pod is None or _key_if_unassigned(pod) is None:
            return None
        demand = demand_of(pod)
        self._drawn.discard(key)
        judged = list(refusals(pod, demand, self.nodes.all(), self._others(pod)))
        fitting = [state for state, refusal in judged if refusal is None]
        if not fitting:
            if Pod.of(pod).affinity:
                self._drawn.add(key)
            return await self._unschedulable(pod, Counter(refusal for _, refusal in judged if refusal is not None), len(judged))
        node = meta.name(best(pod, demand, fitting).node)
        self.nodes.assume(pod, node, demand)
        await self._bind(pod, node)
        return None

    def _others(self, pod: Object) -> Callable[[Object], str | None]:
        """What other pods have against a node, or the pod against theirs."""
        own = Pod.of(pod)
        if not (own.affinity or own.anti or self.nodes.repelling):
            return lambda node: None
        placed = {name: pods.values() for name, pods in self.nodes.pods.items()}
        return InterPodAffinity(own, [state.node for state in self.nodes.all()], placed, self._labels_of).refusal

    def _labels_of(self, namespace: str) -> Mapping[str, str]:
        found = self._namespaces.get(namespace)
        return {} if found is None else meta.labels(found)

    async def _bind(self, pod: Object, node: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        metadata = {"name": meta.name(pod), "namespace": meta.namespace(pod), "uid": meta.uid(pod)}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
        path = kinds.PODS.path(meta.namespace(pod), meta.name(pod), "binding")
        try:
            await self.client.call("POST", path, body=binding)
        except NotFound:
            self.nodes.forget(meta.key(pod))
            return
        except ApiError:
            self.nodes.forget(meta.key(pod))
            raise
        self.recorder.say(pod, "Normal", "Scheduled", f"Successfully assigned {meta.key(pod)} to {node}", node=node)

    async def _unschedulable(self, pod: Object, reasons: "Counter[str]", total: int) -> float:
        message = no_node(reasons, total)
        self._waiting.add(meta.key(pod))
        known = meta.condition(pod, "PodScheduled")
        if known is None or known.get("message") != message:
            self.recorder.say(pod, "Warning", "FailedScheduling", message, nodes=total, reasons=dict(reasons))
            await self._write_condition(pod, message)
        return RETRY_S

    async def _write_condition(self, pod: Object, message: str) -> None:
        new = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        conditions = meta.with_condition((pod.get("status") or {}).get("conditions") or [], new, meta.rfc3339(time.time()))
        try:
            await self.client.patch(
                kinds.PODS, meta.name(pod), {"status": {"conditions": conditions}}, namespace=meta.namespace(pod), subresource="status"
            )
        except NotFound:
            return

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or _matters(old) != _matters(new)):
            self._retry(self._waiting)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        last = new or old
        assert last is not None
        if last["spec"].get("nodeName") and (new is None or (new.get("status") or {}).get("phase") in ENDED):
            self._retry(self._waiting)
        elif last["spec"].get("nodeName") and (old is None or _place(old) != _place(last)):
            # One has come that pods may want to be near.
            self._retry(self._waiting & self._drawn)
        if self._waiting and old is not None and new is not None and new["spec"].get("nodeName") and _shrinks(old, new):
            self._retry(self._waiting)

    def _retry(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.controller.queue.add(key)


def _shrinks(old: Object, new: Object) -> bool:
    """Whether a pod holds less of its node than before."""
    now = demand_of(new).resources
    return any(now.get(resource, 0) < amount for resource, amount in demand_of(old).resources.items())


def _key_if_unassigned(pod: Object) -> str | None:
    """The pod's key when it is this scheduler's to place."""
    spec = pod["spec"]
    if spec.get("nodeName") or meta.is_deleting(pod) or spec.get("schedulingGates"):
        return None
    if spec.get("schedulerName", NAME) != NAME or (pod.get("status") or {}).get("phase") in ENDED:
        return None
    return meta.key(pod)


def _place(pod: Object) -> tuple[object, ...]:
    return pod["spec"].get("nodeName"), meta.labels(pod)


def _matters(node: Object) -> tuple[object, ...]:
    return node.get("spec"), (node.get("status") or {}).get("allocatable"), meta.labels(node)


def no_node(reasons: "Counter[str]", total: int) -> str:
    """Upstream's sentence: how many nodes were refused for which reason."""
    if not total:
        return "no nodes available to schedule pods"
    counted = ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items()))
    return f"0/{total} nodes are available: {counted}."
