"""Looks at the node every ten seconds, and makes room where it is short of something: what nobody uses first, then one pod at a time.

A pod that is evicted has ended before the next look, or has had `CLEANED_S` for it, so that its room is counted before another goes.
Source: kubernetes pkg/kubelet/eviction/eviction_manager.go.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

import structlog

from pilothouse.aio.meters import Counter
from pilothouse.client.recorder import Recorder
from pilothouse.engine.node.config import EvictionConfig
from pilothouse.engine.node.eviction import limits, messages, ranking
from pilothouse.engine.node.eviction.decide import Memory, Observations, Verdict, judge, met, observe
from pilothouse.engine.node.eviction.thresholds import MEMORY, PIDS, Threshold, parse
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.state import Waiting
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.engine.node.stats.figures import Figures, NodeFigures, PodFigures
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model.json import Object
from pilothouse.model.quantity import QuantityError
from pilothouse.model.taints import tolerates

log = structlog.get_logger("node.eviction")

EVICTIONS = Counter("kubelet_evictions", "Pods that were evicted, by the signal that called for it.", "eviction_signal")
CLEANED_S, CLEANED_POLL_S = 30.0, 1.0
HARD_GRACE_S = 1
MEMORY_PRESSURE_TAINT = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}


class Signals(Protocol):
    """Where the figures come from."""

    async def node(self) -> NodeFigures:
        """Of the node as a whole, now. Cheap: the runtime and the pods are not asked."""
        ...

    async def measured(self, max_age_s: float) -> Figures:
        """The figures of now; what volumes take not older than that, if it can be had."""
        ...


@dataclass(frozen=True, slots=True)
class Reclaim:
    """What gives room back without an end of a pod. Each may raise RuntimeFailure, OSError."""

    containers: Callable[[], Awaitable[None]]
    images: Callable[[], Awaitable[None]]


class Evictor:
    """workers: the node's pods by uid. node: a reference for events. changed(): the node's conditions are others now.

    is_static: whether a pod (its uid) is one of the node's own files: those are never evicted, as nobody would make them again.
    """

    def __init__(
        self,
        config: EvictionConfig,
        signals: Signals,
        workers: Mapping[str, PodWorker],
        reclaim: Reclaim,
        recorder: Recorder,
        node: Object,
        changed: Callable[[], None],
        is_static: Callable[[str], bool],
    ) -> None:
        self._config = config
        self._thresholds = parse(config.hard, config.soft, config.soft_grace_period, config.minimum_reclaim)
        self._signals = signals
        self._workers = workers
        self._reclaim = reclaim
        self._recorder = recorder
        self._node = node
        self._changed = changed
        self._is_static = is_static
        self._memory = Memory()
        self.conditions: frozenset[str] = frozenset()

    async def run(self) -> NoReturn:
        while True:
            try:
                evicted = await self.look()
            except (RuntimeFailure, OSError) as error:
                log.warning("the node's resources could not be looked at", why=str(error))
                evicted = []
            await self._cleaned(evicted)
            await asyncio.sleep(0.0 if evicted else self._config.interval_s)

    async def look(self) -> list[PodWorker]:
        """One look; returns the workers of the pods that are evicted for it.

        Pods are measured only for limits of their own or when the node is short of something: a full node's cost a call to each shim.
        """
        observed = observe(await self._signals.node())
        now = asyncio.get_running_loop().time()
        verdict = judge(self._thresholds, observed, self._memory, now, self._config.transition_s)
        self._note(verdict)
        if not verdict.starved and not self._has_limits():
            return []
        figures = await self._signals.measured(self._config.interval_s)
        exceeding = self._evict_exceeding(figures)
        if exceeding or not verdict.starved:
            return exceeding
        return await self._make_room(verdict.starved, figures, observed)

    def refusal(self, pod: Object) -> Waiting | None:
        """Why a pod that has just come must not start on this node; None when it may."""
        if not self.conditions or self._is_spared(pod):
            return None
        if self.conditions == {"MemoryPressure"}:
            tolerated = any(tolerates(each, MEMORY_PRESSURE_TAINT) for each in podspec.spec(pod).get("tolerations") or ())
            if podspec.qos_class(pod) != "BestEffort" or tolerated:
                return None
        return Waiting(messages.REASON, messages.ADMITTED_NOT.format(" ".join(sorted(self.conditions))))

    def _note(self, verdict: Verdict) -> None:
        self._memory = verdict.memory
        if verdict.conditions != self.conditions:
            log.info("conditions of the node", conditions=sorted(verdict.conditions), before=sorted(self.conditions))
            self.conditions = verdict.conditions
            self._changed()

    def _has_limits(self) -> bool:
        return any(worker.is_active and _has_limits(worker.pod) for worker in self._workers.values())

    def _evict_exceeding(self, figures: Figures) -> list[PodWorker]:
        found = []
        for pod in figures.pods:
            worker = self._workers.get(pod.uid)
            over = _exceeded(pod, has_image_fs=figures.node.has_image_fs) if worker is not None and worker.is_active else None
            if worker is not None and over is not None and not self._is_spared(pod.pod):
                signal, message = over
                self._evict(worker, signal, message, HARD_GRACE_S, disrupts=False)
                found.append(worker)
        return found

    async def _make_room(self, starved: Sequence[Threshold], figures: Figures, observed: Observations) -> list[PodWorker]:
        first = starved[0]
        self._recorder.say(self._node, "Warning", "EvictionThresholdMet", f"Attempting to reclaim {first.resource}")
        if await self._has_reclaimed(first):
            return []
        candidates = [pod for pod in figures.pods if self._may_go(pod)]
        if not candidates:
            log.warning("no pod can be evicted", signal=first.signal)
            return []
        chosen = ranking.ranked(first, candidates, has_image_fs=figures.node.has_image_fs)[0]
        worker = self._workers[chosen.uid]
        grace_s = HARD_GRACE_S if first.is_hard else self._config.most_grace_s
        self._evict(worker, first.signal, messages.of_pressure(first, observed, chosen), grace_s, disrupts=True)
        return [worker]

    def _may_go(self, pod: PodFigures) -> bool:
        worker = self._workers.get(pod.uid)
        return worker is not None and worker.is_active and not self._is_spared(pod.pod)

    def _is_spared(self, pod: Object) -> bool:
        return podspec.is_critical(pod) or self._is_static(pod["metadata"]["uid"])

    async def _has_reclaimed(self, threshold: Threshold) -> bool:
        """Whether room of the node's own was enough. Memory and process numbers are held by pods alone."""
        if threshold.signal in (MEMORY, PIDS):
            return False
        for work in (self._reclaim.containers, self._reclaim.images):
            try:
                await work()
            except (RuntimeFailure, OSError) as error:
                log.warning("room could not be reclaimed", why=str(error))
        return not met(self._thresholds, observe(await self._signals.node()), with_reclaim=True)

    def _evict(self, worker: PodWorker, signal: str, message: str, grace_s: int, *, disrupts: bool) -> None:
        log.warning("pod evicted", pod=podspec.key_of(worker.pod), signal=signal, why=message)
        EVICTIONS.add(signal)
        worker.evict(messages.REASON, message, grace_s=grace_s, disrupts=disrupts)

    async def _cleaned(self, evicted: Sequence[PodWorker]) -> None:
        """Until these pods have ended and left nothing running, for `CLEANED_S` at most."""
        waited_s = 0.0
        while waited_s < CLEANED_S and not all(worker.state.finished or worker.is_gone for worker in evicted):
            await asyncio.sleep(CLEANED_POLL_S)
            waited_s += CLEANED_POLL_S


def _has_limits(pod: Object) -> bool:
    try:
        return limits.has_any(pod)
    except QuantityError:
        # Said by name when its figures are looked at.
        return True


def _exceeded(pod: PodFigures, *, has_image_fs: bool) -> tuple[str, str] | None:
    """A pod whose limits cannot be read has none, and keeps nobody else from theirs."""
    try:
        return limits.exceeded(pod, has_image_fs=has_image_fs)
    except QuantityError as error:
        log.warning("limits of a pod cannot be read", pod=podspec.key_of(pod.pod), why=str(error))
        return None
