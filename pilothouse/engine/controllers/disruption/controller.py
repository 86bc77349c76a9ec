"""Keeps the status of PodDisruptionBudgets, by which evictions are granted.

A pod that says it is about to be disrupted, and is not, says so no longer after two minutes.
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
from pilothouse.engine.controllers.disruption import plan
from pilothouse.engine.controllers.disruption.scales import NoController, Scales
from pilothouse.engine.controllers.fresh import Fresh
from pilothouse.model import meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODDISRUPTIONBUDGETS, PODS
from pilothouse.model.selector import Selector, from_label_selector

WORKERS = 2
AGAIN_S = 30.0
"""Until owners that were not found are looked for once more: nobody tells when they come."""
SHOWN = 5
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget were found to be unmanaged: {names}. As a result, the status of the PDB cannot be "
    'calculated correctly, which may result in undefined behavior. To account for these pods please set ".spec.minAvailable" field of '
    "the PDB to an integer value."
)


def by_namespace(obj: Object) -> list[str]:
    return [meta.namespace(obj)]


class DisruptionController:
    def __init__(self, client: Client, informers: Informers, recorder: Recorder, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._budgets = Fresh(informers.of(PODDISRUPTIONBUDGETS), "namespace", by_namespace)
        self._pods = Fresh(informers.of(PODS), "namespace", by_namespace)
        self._scales = Scales(client, informers)
        self._controller = Controller("disruption", self.reconcile, workers=WORKERS)
        self._targets = Controller("disruption-target", self.reconcile_target)
        self._controller.watches(self._budgets.informer)
        self._controller.watches(self._pods.informer, self._budgets_of)
        self._targets.watches(self._pods.informer, lambda pod: meta.key(pod) if plan.target_ends_s(pod, 0.0) is not None else None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        async with scope() as tasks:
            tasks.spawn(self._controller.run(ready), name="disruption")
            tasks.spawn(self._targets.run(), name="disruption-target")

    async def reconcile(self, key: str) -> float | None:
        budget = self._budgets.get(key)
        if budget is None or meta.is_deleting(budget):
            return None
        selector = _selector(budget)
        pods = [pod for pod in self._pods.indexed(meta.namespace(budget)) if selector.matches(meta.labels(pod))]
        if not pods:
            self._recorder.say(budget, "Normal", "NoPods", "No matching pods found")
        now = self._clock()
        try:
            want = await self._wanted(budget, pods)
        except NoController as error:
            words = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.say(budget, "Warning", "CalculateExpectedPodCountFailed", words)
            await self._write(budget, plan.failed(budget, str(error), now))
            return AGAIN_S
        granted = plan.granted(budget, pods, now)
        for pod in granted.stale:
            self._recorder.say(pod, "Warning", "NotDeleted", f"Pod was expected by PDB {key} to be deleted but it wasn't")
        current = plan.healthy(pods, granted.pending)
        await self._write(budget, plan.status(budget, current, want, granted.pending, now))
        return granted.again_s

    async def _wanted(self, budget: Object, pods: Sequence[Object]) -> plan.Wanted:
        if not plan.needs_scale(budget):
            return plan.wanted(budget, len(pods), 0)
        total = await self._scales.total(pods)
        if total.unmanaged:
            more = f" and {len(total.unmanaged) - SHOWN} more" if len(total.unmanaged) > SHOWN else ""
            names = ", ".join(total.unmanaged[:SHOWN]) + more
            self._recorder.say(budget, "Warning", "UnmanagedPods", _UNMANAGED.format(names=names))
        return plan.wanted(budget, len(pods), total.pods)

    async def _write(self, budget: Object, status: Object) -> None:
        """Bound to the version that was read: an eviction may have been granted meanwhile."""
        if status == (budget.get("status") or {}):
            return
        try:
            self._budgets.wrote(await self._client.update_status(PODDISRUPTIONBUDGETS, budget | {"status": status}))
        except NotFound:
            return

    async def reconcile_target(self, key: str) -> float | None:
        pod = self._pods.get(key)
        left_s = None if pod is None else plan.target_ends_s(pod, self._clock())
        if pod is None or left_s is None or left_s > 0:
            return left_s
        condition = {"type": plan.TARGET, "status": "False", "lastTransitionTime": meta.rfc3339(self._clock())}
        change = {"metadata": {"uid": meta.uid(pod)}, "status": {"conditions": [condition]}}
        try:
            name, namespace = meta.name(pod), meta.namespace(pod)
            patched = await self._client.patch(PODS, name, change, namespace=namespace, type=STRATEGIC_PATCH, subresource="status")
        except NotFound:
            return None
        self._pods.wrote(patched)
        return None

    def _budgets_of(self, pod: Object) -> list[str]:
        return [meta.key(each) for each in self._budgets.indexed(meta.namespace(pod)) if _selector(each).matches(meta.labels(pod))]


def _selector(budget: Object) -> Selector:
    return from_label_selector((budget.get("spec") or {}).get("selector"))
