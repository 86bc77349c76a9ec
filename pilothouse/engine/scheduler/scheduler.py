"""The loop: a pod without a node is taken from the queue, given one, and bound; one that fits nowhere waits.

What would let a waiting pod fit (a node that changes, a pod that ends) brings it back at once. The decision
itself is synchronous: between looking and assuming nothing else runs, so workers may bind side by side.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Container, Iterable

from pilothouse.client.client import Client
from pilothouse.client.controller import Controller
from pilothouse.client.informers import Informers
from pilothouse.client.queue import WorkQueue
from pilothouse.client.recorder import Recorder
from pilothouse.engine.scheduler.backoff import BackOff
from pilothouse.engine.scheduler.config.types import SchedulerConfig
from pilothouse.engine.scheduler.cycle import Fit
from pilothouse.engine.scheduler.framework.plugin import Unfit
from pilothouse.engine.scheduler.line import SortedLine
from pilothouse.engine.scheduler.plugins.volumes import Volumes
from pilothouse.engine.scheduler.profiles import Profiles, Track
from pilothouse.engine.scheduler.sentence import no_node, reasons_of, troubles_of
from pilothouse.engine.scheduler.snapshot.events import Event, VolumesChanged
from pilothouse.engine.scheduler.snapshot.pod_info import PodInfo
from pilothouse.engine.scheduler.snapshot.shape import Shape
from pilothouse.engine.scheduler.snapshot.snapshot import ENDED, Snapshot
from pilothouse.engine.scheduler.waiting import Waiting
from pilothouse.model import kinds, meta
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from pilothouse.model.resource import Resource

RETRY_S = 60.0
"""How long a pod that fits nowhere rests when nothing changes: a repair, not the way it is found."""

KNOWN_UNFIT = 1_000


class Scheduler:
    """config: the profiles; None for the default one. recorder: speaks under their names.

    served: resources that the API has; of those that are not always there, only these are asked for (budgets, some controllers)."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        *,
        served: Container[Resource] = (),
        config: SchedulerConfig | None = None,
    ) -> None:
        config = config or SchedulerConfig()
        self.client = client
        self.pods = informers.of(kinds.PODS)
        self.snapshot = Snapshot()
        self._known_unfit: OrderedDict[tuple[str, Shape, int], tuple[int, Unfit]] = OrderedDict()
        self._backoff = BackOff(config.first_backoff_s, config.most_backoff_s)
        volumes = Volumes(client, informers) if kinds.PERSISTENTVOLUMECLAIMS in served else None
        plugins = () if volumes is None else volumes.plugins
        self.profiles = Profiles(config, self.snapshot, client, informers, recorder, plugins, served)
        self._waiting = Waiting({name: each.cycle.profile.hinting for name, each in self.profiles.tracks})
        self._queue_sort = self.profiles.of(config.profiles[0].name).cycle.profile.queue_sort
        self.controller = Controller("scheduler", self.schedule, workers=16, queue=WorkQueue(line=SortedLine(self._rank)))
        namespaces, nodes = informers.of(kinds.NAMESPACES), informers.of(kinds.NODES)
        namespaces.on_change(self._namespace_changed)
        nodes.on_change(self._node_changed)
        self.pods.on_change(self._pod_changed)
        if volumes is not None:
            volumes.on_change(self._volumes_changed)
        for informer in (namespaces, nodes, self.pods, *(() if volumes is None else volumes.informers)):
            # Work begins when all of them are known; what is added to the queue is decided above.
            self.controller.watches(informer, lambda obj: None)

    async def run(self, ready: asyncio.Event | None = None) -> None:
        await self.controller.run(ready)

    async def schedule(self, key: str) -> float | None:
        """Give the pod a node; returns when to look again if none fits."""
        self._waiting.drop(key)
        while (pod := self._to_place(key)) is not None:
            info = self.snapshot.info(pod)
            track = self.profiles.of(info.scheduler)
            found = self._as_before(info) or self._decide(info, track)
            if isinstance(found, Fit):
                return await self._place(pod, info, found, track)
            if isinstance(found, Unfit):
                return await self._no_node(pod, info, found, track)
            await asyncio.sleep(0)
        self._backoff.forget(key)
        return None

    def _to_place(self, key: str) -> Object | None:
        pod = self.pods.get(key)
        if pod is None or not self._is_to_place(pod) or self.snapshot.node_of(key) is not None:
            return None
        return pod

    def _as_before(self, info: PodInfo) -> Unfit | None:
        """What was found for such a pod, when nothing has changed since."""
        version, unfit = self._known_unfit.get((info.scheduler, info.shape, info.priority), (-1, None))
        return unfit if version == self.snapshot.version and not self.snapshot.nominated_node(info.key) else None

    def _decide(self, info: PodInfo, track: Track) -> Fit | Unfit | None:
        found = track.cycle.decide(info)
        if isinstance(found, Unfit):
            key = info.scheduler, info.shape, info.priority
            self._known_unfit[key] = self.snapshot.version, found
            self._known_unfit.move_to_end(key)
            if len(self._known_unfit) > KNOWN_UNFIT:
                self._known_unfit.popitem(last=False)
        return found

    async def _place(self, pod: Object, info: PodInfo, fit: Fit, track: Track) -> float | None:
        refusal = await track.placing.place(info, fit.node)
        if refusal is not None:
            return await self._no_node(pod, info, Unfit({fit.node: refusal}), track)
        self._backoff.forget(info.key)
        track.recorder.say(pod, "Normal", "Scheduled", f"Successfully assigned {info.key} to {fit.node}", node=fit.node)
        return None

    async def _no_node(self, pod: Object, info: PodInfo, unfit: Unfit, track: Track) -> float:
        # From here on an event brings it back: nothing is awaited between the decision and this.
        self._waiting.park(info, unfit.plugins)
        now = asyncio.get_running_loop().time()
        self._backoff.tried(info.key, now)
        if any(refusal.is_worth_another for refusal in unfit.refusals.values()):
            return self._backoff.rest_s(info.key, now)
        if any(refusal.is_quiet for refusal in unfit.refusals.values()):
            return RETRY_S
        for plugin in track.cycle.profile.post_filters:
            if await plugin.post_filter(info, unfit):
                break
        reasons = reasons_of(unfit)
        message = no_node(reasons, len(unfit.refusals), troubles_of(unfit))
        known = meta.condition(pod, "PodScheduled")
        if known is None or known.get("message") != message:
            track.recorder.say(pod, "Warning", "FailedScheduling", message, nodes=len(unfit.refusals), reasons=dict(reasons))
        await self._write(pod, message)
        return RETRY_S

    async def _write(self, pod: Object, message: str) -> None:
        """Why the pod waits, and which node is being made free for it; nothing when that is there already."""
        status, nominated = pod.get("status") or {}, self.snapshot.nominated_node(meta.key(pod))
        new = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        known = meta.condition(pod, "PodScheduled") or {}
        wanted: Object = {}
        if any(known.get(name) != value for name, value in new.items()):
            wanted["conditions"] = meta.with_condition(status.get("conditions") or [], new, meta.rfc3339(time.time()))
        if (status.get("nominatedNodeName") or "") != nominated:
            wanted["nominatedNodeName"] = nominated or None
        if not wanted:
            return
        try:
            await self.client.patch(kinds.PODS, meta.name(pod), {"status": wanted}, namespace=meta.namespace(pod), subresource="status")
        except NotFound:
            return

    def _is_to_place(self, pod: Object) -> bool:
        if pod["spec"].get("nodeName") or meta.is_deleting(pod) or (pod.get("status") or {}).get("phase") in ENDED:
            return False
        return self.profiles.is_to_place(pod)

    def _rank(self, key: str) -> int:
        pod = self.pods.get(key)
        if pod is None:
            return 0
        return next((each.rank(self.snapshot.info(pod)) for each in self._queue_sort), 0)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        self._wake(self.snapshot.namespace_changed(old, new))

    def _volumes_changed(self) -> None:
        self.snapshot.version += 1
        self._wake([VolumesChanged()])

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        self._wake(self.snapshot.node_changed(old, new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        self._wake(self.snapshot.pod_changed(old, new))
        if new is None or not self._is_to_place(new):
            key = meta.key(new or old or {})
            self._waiting.drop(key)
            self._backoff.forget(key)
        elif old is None or not self._is_to_place(old) or _has_changed(old, new):
            self._backoff.forget(meta.key(new))
            self.controller.queue.add(meta.key(new))

    def _wake(self, events: Iterable[Event]) -> None:
        if not len(self._waiting):
            return
        for event in events:
            for key in self._waiting.woken_by(event):
                self._try_again(key)

    def _try_again(self, key: str) -> None:
        rest_s = self._backoff.rest_s(key, asyncio.get_running_loop().time())
        if rest_s:
            self.controller.queue.add_after(key, rest_s)
        else:
            self.controller.queue.add(key)


def _has_changed(old: Object, new: Object) -> bool:
    """More than its status, which this scheduler writes itself."""
    return bool(old["spec"] != new["spec"] or meta.labels(old) != meta.labels(new))
