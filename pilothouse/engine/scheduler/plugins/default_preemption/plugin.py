"""The post-filter: finds a node on which less important pods can make room, lets them go, and keeps the room for the pod.

Not all nodes are tried, and others get their turn on the event loop between two of them, so that many pods that fit nowhere do not hold it.
Source: kubernetes pkg/scheduler/framework/preemption, plugins/defaultpreemption.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.scheduler.framework.plugin import Unfit
from pilothouse.engine.scheduler.plugins.default_preemption.budgets import Budget
from pilothouse.engine.scheduler.plugins.default_preemption.victims import Victims, least_harm, victims_on
from pilothouse.engine.scheduler.snapshot.node_info import NodeInfo
from pilothouse.engine.scheduler.snapshot.pod_info import BY_SCHEDULER, PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.snapshot import Snapshot
from pilothouse.model import kinds, meta
from pilothouse.model.errors import Conflict, NotFound
from pilothouse.model.json import Object

KNOWN_FUTILE = 1_000

TrialOf = Callable[[PodInfo, NodeInfo], Callable[[], bool]]


@dataclass(frozen=True, slots=True)
class PreemptionArgs:
    """least, percent: how many nodes that would do are compared, the larger of the two; percent: of all nodes."""

    least: int = 100
    percent: int = 10


class DefaultPreemption:
    """trial: asks whether a pod fits a node as that is when asked. budgets: those that there are. pod_of: by key."""

    name = "DefaultPreemption"

    def __init__(
        self,
        snapshot: Snapshot,
        trial: TrialOf,
        budgets: Callable[[], Sequence[Budget]],
        pod_of: Callable[[str], Object | None],
        client: Client,
        recorder: Recorder,
        args: PreemptionArgs | None = None,
    ) -> None:
        self._args = args or PreemptionArgs()
        self._snapshot = snapshot
        self._trial = trial
        self._budgets = budgets
        self._pod_of = pod_of
        self._client = client
        self._recorder = recorder
        self._start = 0
        self._futile: OrderedDict[tuple[Shape, int], int] = OrderedDict()

    async def post_filter(self, pod: PodInfo, unfit: Unfit) -> str:
        if not pod.may_preempt or self._is_awaited(pod, unfit):
            return self._snapshot.nominated_node(pod.key)
        version = self._snapshot.version
        if self._futile.get((pod.shape, pod.priority)) == version:
            return ""
        found = await self._candidates(pod, [name for name, refusal in unfit.refusals.items() if not refusal.is_final])
        while found:
            best = least_harm(found)
            # Others have had their turn since: what was found must still hold.
            node = self._snapshot.nodes.get(best.node)
            victims = None if node is None or not node.exists else self._victims(pod, node)
            if victims is not None and victims.violations <= best.violations:
                await self._make_room(pod, victims)
                return victims.node
            found.remove(best)
        self._snapshot.unnominate(pod.key)
        self._note_futile(pod, version)
        return ""

    def _note_futile(self, pod: PodInfo, version: int) -> None:
        """Nothing was found for such a pod, and nothing will be while the version is the same."""
        self._futile[pod.shape, pod.priority] = version
        self._futile.move_to_end((pod.shape, pod.priority))
        if len(self._futile) > KNOWN_FUTILE:
            self._futile.popitem(last=False)

    def _is_awaited(self, pod: PodInfo, unfit: Unfit) -> bool:
        """Whether pods are on their way out of the node for its sake."""
        node = self._snapshot.nodes.get(self._snapshot.nominated_node(pod.key))
        if node is None or (refusal := unfit.refusals.get(node.name)) is None or refusal.is_final:
            return False
        return any(each.is_preempted and each.priority < pod.priority for each in node.pods.values())

    async def _candidates(self, pod: PodInfo, names: Sequence[str]) -> list[Victims]:
        wanted = max(self._args.least, len(self._snapshot.existing()) * self._args.percent // 100)
        found: list[Victims] = []
        self._start += 1
        for number in range(len(names)):
            node = self._snapshot.nodes.get(names[(self._start + number) % len(names)])
            if node is None or not node.exists or not any(each.priority < pod.priority for each in node.pods.values()):
                continue
            if (victims := self._victims(pod, node)) is not None:
                found.append(victims)
            if len(found) >= wanted:
                break
            await asyncio.sleep(0)
        return found

    def _victims(self, pod: PodInfo, node: NodeInfo) -> Victims | None:
        generation = node.generation
        on_trial = _OnTrial(self._snapshot, node, self._trial(pod, node))
        found = victims_on(node.name, node.pods.values(), pod.priority, self._budgets(), on_trial)
        # All are back, so what is known of the node still holds.
        node.generation = generation
        return found

    async def _make_room(self, pod: PodInfo, victims: Victims) -> None:
        node = self._snapshot.nodes[victims.node]
        lesser = [each.key for each in node.nominated.values() if each.priority < pod.priority]
        self._snapshot.nominate(pod, victims.node)
        for key in lesser:
            self._snapshot.unnominate(key)
        for key in lesser:
            await self._write_no_nomination(key)
        for victim in victims.pods:
            if not victim.is_terminating:
                await self._let_go(victim, pod, victims.node)

    async def _let_go(self, victim: PodInfo, pod: PodInfo, node: str) -> None:
        obj = self._pod_of(victim.key)
        if obj is None or meta.uid(obj) != victim.uid:
            return
        said = {"type": "DisruptionTarget", "status": "True", "reason": BY_SCHEDULER}
        said["message"] = f"{pod.scheduler}: preempting to accommodate a higher priority pod"
        conditions = meta.with_condition((obj.get("status") or {}).get("conditions") or [], said, meta.rfc3339(time.time()))
        try:
            await self._client.patch(
                kinds.PODS, victim.name, {"status": {"conditions": conditions}}, namespace=victim.namespace, subresource="status"
            )
            await self._client.delete(kinds.PODS, victim.name, victim.namespace, uid=victim.uid)
        except (NotFound, Conflict):
            return  # It is gone, or another one by now.
        self._recorder.say(obj, "Normal", "Preempted", f"Preempted by pod {pod.uid} on node {node}", by=pod.key, node=node)

    async def _write_no_nomination(self, key: str) -> None:
        namespace, _, name = key.partition("/")
        try:
            await self._client.patch(kinds.PODS, name, {"status": {"nominatedNodeName": None}}, namespace=namespace, subresource="status")
        except NotFound:
            return


class _OnTrial:
    """Pods of a node, off and on."""

    def __init__(self, snapshot: Snapshot, node: NodeInfo, fits: Callable[[], bool]) -> None:
        self._snapshot = snapshot
        self._node = node
        self.fits = fits

    def take(self, pod: PodInfo) -> None:
        self._snapshot.take(pod, self._node)

    def put(self, pod: PodInfo) -> None:
        self._snapshot.put(pod, self._node)


def budgets_of(objects: Iterable[Object]) -> list[Budget]:
    return [Budget.of(each) for each in objects]
