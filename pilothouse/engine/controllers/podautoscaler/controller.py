"""Gives the targets of autoscalers as many replicas as their metrics ask for, at each round of `sync_s`.

Whatever has a scale subresource can be a target. Each autoscaler has a round when its spec changes, and then at each interval, however its
last one ended: what it lacks (metrics, pods, its target) comes by itself, and nothing says when.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pilothouse.aio.tasks import scope
from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.controllers.podautoscaler import facts, pace, plan
from pilothouse.engine.controllers.podautoscaler.evaluation import Evaluation
from pilothouse.engine.controllers.podautoscaler.history import History
from pilothouse.engine.controllers.podautoscaler.metrics import CUSTOM, EXTERNAL, Metrics
from pilothouse.engine.controllers.podautoscaler.plan import ABLE, ACTIVE, Condition, Decision, Failure, Proposal
from pilothouse.engine.controllers.podautoscaler.replicas import Situation
from pilothouse.engine.controllers.podautoscaler.targets import NoTarget, Targets
from pilothouse.engine.controllers.podautoscaler.turns import Turns
from pilothouse.model import meta
from pilothouse.model.errors import ApiError, Conflict, NotFound
from pilothouse.model.json import Object
from pilothouse.model.kinds import HORIZONTALPODAUTOSCALERS, PODS
from pilothouse.model.resource import Resource
from pilothouse.model.selector import Selector, SelectorError, parse_labels

SYNC_S = 15.0
WORKERS = 5
"""More than all that may ask adapters at a time (see `turns`)."""
METRICS_AT_A_TIME = 8
"""Of one autoscaler."""
DEADLINE_S = 60.0
AWAITED_S, NEW_S = 3.0, 60.0
"""Between two rounds while nothing can be decided and a pod is no older than that: its first figures come soon, and need not wait."""
ATTEMPTS = 4
TOLD = 8
"""Metrics that could not be had and have an Event of their own in a round; how many there are in all is said as well."""
_GET_FAILED = "the HPA controller was unable to get the target's current scale"
_GET_DONE = "the HPA controller was able to get the target's current scale"


class _Stuck(Exception):
    """The round ends here: the condition says why, and so does an Event."""

    def __init__(self, condition: Condition, reason: str, message: str) -> None:
        super().__init__(message)
        self.condition = condition
        self.reason = reason
        self.message = message


class HorizontalPodAutoscalerController:
    """sync_s: between two rounds of an autoscaler."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        clock: Callable[[], float] = time.time,
        sync_s: float = SYNC_S,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._clock = clock
        self._sync_s = sync_s
        self._targets = Targets(client)
        self._histories: dict[str, History] = {}
        self._selectors: dict[str, Selector] = {}
        self._autoscalers = informers.of(HORIZONTALPODAUTOSCALERS)
        self._pods = informers.of(PODS, indexes={"namespace": lambda pod: (meta.namespace(pod) or "",)})
        self._controller = Controller("horizontal-pod-autoscaler", self.reconcile, workers=WORKERS, deadline_s=DEADLINE_S)
        self._turns = Turns(self._controller.queue.add)
        self._controller.watches(self._autoscalers, lambda _: ())
        self._controller.watches(self._pods, lambda _: ())
        self._autoscalers.on_change(self._changed)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self._controller.run(ready)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        """Its own status is no reason for another round."""
        if new is None:
            key = meta.key(old or {})
            self._histories.pop(key, None)
            self._selectors.pop(key, None)
            self._turns.leave(key)
        elif old is None or facts.spec(old) != facts.spec(new):
            self._controller.queue.add(meta.key(new))

    async def reconcile(self, key: str) -> float | None:
        hpa = self._autoscalers.get(key)
        if hpa is None or meta.is_deleting(hpa):
            self._turns.leave(key)
            return None
        if (apis := _adapters(hpa)) and not self._turns.take(key, apis):
            return None  # Its turn comes by itself.
        try:
            decision = await self._round(key, hpa)
        finally:
            self._turns.leave(key)
        return min(self._sync_s, AWAITED_S) if decision.is_awaited else self._sync_s

    async def _round(self, key: str, hpa: Object) -> Decision:
        conditions = list(facts.status(hpa).get("conditions") or ())
        current: int | None = None
        decision = Decision(None)
        try:
            target, scale = await self._scale(hpa)
            conditions = self._with(conditions, Condition(ABLE, True, "SucceededGetScale", _GET_DONE))
            current = facts.replicas(scale.get("spec") or {})
            history = self._history(key, hpa, current)
            decision = plan.without_metrics(hpa, current) or await self._by_metrics(key, hpa, scale, current, history)
            for condition in decision.conditions:
                conditions = self._with(conditions, condition)
            if done := await self._apply(hpa, target, scale, decision, history):
                conditions = self._with(conditions, done)
        except _Stuck as stuck:
            conditions = self._with(conditions, stuck.condition)
            self._recorder.say(hpa, "Warning", stuck.reason, stuck.message)
            decision = Decision(None, metrics=decision.metrics)
        await self._show(hpa, current, decision, conditions)
        self._tell(hpa, decision)
        return decision

    async def _scale(self, hpa: Object) -> tuple[Resource, Object]:
        """Raises _Stuck."""
        reference = facts.spec(hpa).get("scaleTargetRef") or {}
        try:
            target = await self._targets.scalable(reference)
            return target, await self._client.get(target, reference.get("name") or "", meta.namespace(hpa), subresource="scale")
        except (NoTarget, ApiError) as error:
            self._targets.forget(reference)
            text = error.message if isinstance(error, ApiError) else str(error)
            raise _Stuck(Condition(ABLE, False, "FailedGetScale", f"{_GET_FAILED}: {text}"), "FailedGetScale", text) from error

    def _history(self, key: str, hpa: Object, current: int) -> History:
        """What there is when an autoscaler is seen first counts as recommended: a restart of ours is no reason to go down at once."""
        history = self._histories.setdefault(key, History())
        if not history.recommendations:
            history.recommended(current, _now(), pace.keep_s(facts.behavior(hpa)))
        return history

    async def _by_metrics(self, key: str, hpa: Object, scale: Object, current: int, history: History) -> Decision:
        """Raises _Stuck."""
        text = (scale.get("status") or {}).get("selector") or ""
        selector = self._selector(key, text)
        namespace = meta.namespace(hpa) or ""
        pods = [pod for pod in self._pods.by_index("namespace", namespace) if selector.matches(meta.labels(pod))]
        self._check_alone(key, namespace, text, pods)
        now = _now()
        metrics = Metrics(self._client, self._targets, namespace, text)
        situation = Situation(current, pods, self._clock(), facts.tolerances(hpa))
        evaluation = Evaluation(metrics, situation, facts.replicas(scale.get("status") or {}))
        found = await _evaluated(evaluation, facts.spec(hpa).get("metrics") or ())
        decision = plan.by_metrics(hpa, current, found, history, now)
        if decision.replicas is None and any(self._is_new(pod) for pod in pods):
            return replace(decision, is_awaited=True)
        if decision.recommended is not None:
            history.recommended(decision.recommended, now, pace.keep_s(facts.behavior(hpa)))
        return decision

    def _is_new(self, pod: Object) -> bool:
        """Whether its first figures are on their way."""
        created = pod["metadata"].get("creationTimestamp")
        return bool(created) and self._clock() - meta.parse_rfc3339(created) < NEW_S

    def _selector(self, key: str, text: str) -> Selector:
        """Raises _Stuck."""
        if not text:
            missing = Condition(ACTIVE, False, "InvalidSelector", "the HPA target's scale is missing a selector")
            raise _Stuck(missing, "SelectorRequired", "selector is required")
        try:
            selector = self._selectors[key] = parse_labels(text)
        except SelectorError as error:
            why = f"couldn't convert selector into a corresponding internal selector object: {error}"
            raise _Stuck(Condition(ACTIVE, False, "InvalidSelector", why), "InvalidSelector", why) from error
        return selector

    def _check_alone(self, key: str, namespace: str, text: str, pods: list[Object]) -> None:
        """Two autoscalers of the same pods would undo each other's work. Raises _Stuck."""
        # Pods of one template have the same labels: a few sets stand for all of them.
        labels = [dict(each) for each in {frozenset(meta.labels(pod).items()) for pod in pods}]
        others = [
            other
            for other, selector in self._selectors.items()
            if other != key and self._is_of(other, namespace) and any(map(selector.matches, labels))
        ]
        if others:
            why = f"pods by selector {text} are controlled by multiple HPAs: [{' '.join(sorted([key, *others]))}]"
            raise _Stuck(Condition(ACTIVE, False, "AmbiguousSelector", why), "AmbiguousSelector", why)

    def _is_of(self, key: str, namespace: str) -> bool:
        """Whether it is an autoscaler of the namespace that still exists; its last round may have ended after it did."""
        return key.startswith(f"{namespace}/") and self._autoscalers.get(key) is not None

    async def _apply(self, hpa: Object, target: Resource, scale: Object, decision: Decision, history: History) -> Condition | None:
        """Returns what the autoscaler's condition says of a change. Raises _Stuck."""
        before, after = facts.replicas(scale.get("spec") or {}), decision.replicas
        if after is None or after == before:
            return None
        try:
            await self._set(target, scale, after)
        except ApiError as error:
            why = f"the HPA controller was unable to update the target scale: {error.message}"
            text = f"New size: {after}; reason: {decision.why}; error: {error.message}"
            raise _Stuck(Condition(ABLE, False, "FailedUpdateScale", why), "FailedRescale", text) from error
        behavior = facts.behavior(hpa)
        if behavior is not None:
            rules = behavior.up if after > before else behavior.down
            history.scaled(before, after, _now(), rules.longest_s)
        self._recorder.say(hpa, "Normal", "SuccessfulRescale", f"New size: {after}; reason: {decision.why}")
        return Condition(ABLE, True, "SucceededRescale", f"the HPA controller was able to update the target scale to {after}")

    async def _set(self, target: Resource, scale: Object, replicas: int) -> None:
        """Raises ApiError. Somebody else may write the target all the time, its status say: only another number is a conflict."""
        before = facts.replicas(scale.get("spec") or {})
        for _ in range(ATTEMPTS):
            try:
                await self._client.update(target, scale | {"spec": {"replicas": replicas}}, meta.namespace(scale), subresource="scale")
            except Conflict:
                scale = await self._client.get(target, meta.name(scale), meta.namespace(scale), subresource="scale")
                if facts.replicas(scale.get("spec") or {}) != before:
                    raise
            else:
                return
        raise Conflict(f"{target.group_resource} {meta.name(scale)} was written {ATTEMPTS} times while its number was to be set")

    def _tell(self, hpa: Object, decision: Decision) -> None:
        for failure in decision.events[:TOLD]:
            self._recorder.say(hpa, "Warning", failure.reason, failure.message)
        if decision.replicas is None and decision.trouble:
            self._recorder.say(hpa, "Warning", "FailedComputeMetricsReplicas", decision.trouble)

    def _with(self, conditions: list[Object], new: Condition) -> list[Object]:
        stated = {"type": new.type, "status": str(new.is_true), "reason": new.reason, "message": new.message}
        return meta.with_condition(conditions, stated, meta.rfc3339(self._clock()))

    async def _show(self, hpa: Object, current: int | None, decision: Decision, conditions: list[Object]) -> None:
        """current: None while the target is not known; then the numbers stay."""
        before = facts.status(hpa)
        status = before | {"conditions": conditions}
        if current is not None:
            wanted = decision.replicas
            status |= {"currentReplicas": current, "currentMetrics": decision.metrics or []}
            status["desiredReplicas"] = (before.get("desiredReplicas") or 0) if wanted is None else wanted
            if wanted is not None and wanted != current:
                status["lastScaleTime"] = meta.rfc3339(self._clock())
        if _bare(status) == _bare(before):
            return
        try:
            await self._client.update_status(HORIZONTALPODAUTOSCALERS, hpa | {"status": status})
        except NotFound:
            return


async def _evaluated(evaluation: Evaluation, specs: Sequence[Object]) -> list[Proposal | Failure]:
    """Side by side: what an adapter does not answer keeps no other metric waiting."""
    found: dict[int, Proposal | Failure] = {}
    left = iter(enumerate(specs))

    async def work() -> None:
        for number, spec in left:
            found[number] = await evaluation.evaluate(spec)
            # What one metric takes depends on the pods, and there may be many of either: others have their turn in between.
            await asyncio.sleep(0)

    async with scope() as tasks:
        for _ in range(min(METRICS_AT_A_TIME, len(specs))):
            tasks.spawn(work())
    return [found[number] for number in range(len(specs))]


def _adapters(hpa: Object) -> frozenset[str]:
    """The APIs of adapters that its metrics are of."""
    kinds = {"Pods": CUSTOM, "Object": CUSTOM, "External": EXTERNAL}
    stated = {metric.get("type") or "" for metric in facts.spec(hpa).get("metrics") or ()}
    return frozenset(api for kind, api in kinds.items() if kind in stated)


def _bare(status: Object) -> Object:
    """Without what is zero or empty, which the server leaves out."""
    return {name: value for name, value in status.items() if value}


def _now() -> float:
    return asyncio.get_running_loop().time()
