"""The node agent: workers for the pods of this node, fed by the API's news and the runtime's events.

A pod is known by its uid: one that is deleted and made again under its name is another pod with another worker.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.clock import Steady
from pilothouse.aio.tasks import TaskSet, is_set, scope
from pilothouse.aio.tasks import each as each_of
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.engine.node import facts, shutdown
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.parts import News, StorageDrivers
from pilothouse.engine.node.eviction.evictor import Evictor, Reclaim, Signals
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.housekeeping import run as housekeeping
from pilothouse.engine.node.housekeeping.containers import Ends, collect_containers
from pilothouse.engine.node.housekeeping.images import remove_unused_images
from pilothouse.engine.node.images.store import ImageStore
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.engine.node.node import NodeStatus
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.referred import referred
from pilothouse.engine.node.pod.sources import ApiSources
from pilothouse.engine.node.request.sandbox import Resolver
from pilothouse.engine.node.runtime.seam import (
    EXITED,
    Container,
    ExecEnded,
    Exited,
    OutOfMemory,
    Runtime,
    RuntimeEvent,
    RuntimeFailure,
    Sandbox,
)
from pilothouse.engine.node.static.manifest import as_of_api, is_static, mirrored_uid
from pilothouse.engine.node.static.pods import StaticPods
from pilothouse.engine.node.static.pods import Worker as StaticWorker
from pilothouse.engine.node.streams.connector import Connector
from pilothouse.engine.node.streams.unread_input import UnreadInput
from pilothouse.engine.node.view import NodeView
from pilothouse.engine.node.volumes.claimed import ClaimedVolumes
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.engine.node.volumes.volumes import Volumes
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.ending import sweep
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model import meta
from pilothouse.model.host_ports import HostPort, host_ports
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from pilothouse.model.volumes import ENFORCEMENT, FOLDER

log = structlog.get_logger("node.agent")

EVENTS_RETRY_S, AFTER_RECONNECT_S = 0.2, 1.0
API_PATIENCE_S, ORPHANS_S, ORPHANS_LEAST_S = 10.0, 60.0, 1.0
CRASH_FIRST_S, CRASH_MOST_S = 5.0, 300.0
AT_ONCE = 8

RUNTIME_AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
"""Codes of a runtime that does not answer at all, whatever it is asked about."""

T = TypeVar("T")


@dataclass(slots=True)
class Found:
    """What the runtime has, by uid of the pod. unread: pods of which something could not be looked at, and why."""

    boxes: dict[str, list[Sandbox]] = field(default_factory=dict)
    containers: dict[str, list[Container]] = field(default_factory=dict)
    unread: dict[str, RuntimeFailure] = field(default_factory=dict)


class NodeAgent:
    """informers: the process's shared ones, when it has some and runs them; else the agent keeps its own.

    signals: by which pods are evicted, None for those of this machine. local_volumes: that lie on this node, shared with its servers.
    """

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        config: NodeConfig,
        recorder: Recorder,
        barrier: EndpointBarrier,
        *,
        informers: Informers | None = None,
        signals: Signals | None = None,
        local_volumes: LocalVolumes | None = None,
    ) -> None:
        self.local_volumes = LocalVolumes(config) if local_volumes is None else local_volumes
        self._clock = Steady()
        self._client = client
        self._runtime = runtime
        self._config = config
        self._recorder = recorder
        self._own_informers = informers is None
        self._informers = Informers(client) if informers is None else informers
        self._pods = self._informers.of(PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._objects = WatchedObjects(client, self._object_changed)
        self._sources = ApiSources(client, self._informers, self._objects, self._clock, config.node_name)
        self._barrier = barrier
        self._workers: dict[str, PodWorker] = {}
        self._tasks: TaskSet | None = None
        self._node: NodeStatus | None = None
        self._is_stopping = False
        self._context: Context | None = None
        self._found = Found()
        self._unread = UnreadInput(config.containerd_dir / "state")
        self._static = StaticPods(client, config, recorder, self)
        self.connector = Connector(runtime, config, self._tracked)
        self._evictor: Evictor | None = None
        self._orphans_wake = asyncio.Event()
        news = News(self._drivers_changed, self._volumes_changed, self._volume_over)
        self.storage = StorageDrivers(client, config, self._sources, self._clock, news)
        self.view = NodeView(runtime, config, self._workers, self.connector, self.worker, self.storage.volumes.rooms)
        self._signals: Signals = self.view.statistics if signals is None else signals

    def _volumes_changed(self) -> None:
        if self._node is not None:
            self._node.changed()

    def _volume_over(self, uid: str) -> None:
        if (worker := self._workers.get(uid)) is not None:
            worker.refresh()

    def _drivers_changed(self) -> None:
        """Pods that wait for one are tried at once, and so is what is left of pods that are no more."""
        self._orphans_wake.set()
        for worker in self._workers.values():
            if not worker.state.volumes_ready:
                worker.refresh()

    def _tracked(self, uid: str, name: str, *, previous: bool) -> Container | None:
        """A container of a pod, for logs and exec."""
        worker = self.worker(uid)
        tracked = worker.state.containers.get(name) if worker is not None else None
        if tracked is None:
            return None
        return tracked.previous if previous else tracked.latest or tracked.previous

    def pod(self, uid: str) -> Object | None:
        """The object of a pod that the node still has something of."""
        worker = self.worker(uid)
        return worker.pod if worker is not None else None

    def worker(self, uid: str) -> PodWorker | None:
        """uid: the pod's own, or that of the mirror of a static pod."""
        return self._workers.get(uid) or self._workers.get(self._static.uid_of(uid))

    def static(self) -> list[StaticWorker]:
        return [worker for worker in self._workers.values() if is_static(worker.pod)]

    @property
    def pods_here(self) -> int:
        """How many pods the node still has something of."""
        return len(self._workers)

    async def shut_down(self, total_s: int, critical_s: int) -> list[str]:
        """Ends every pod, within that time, before the node stops, and takes no other; returns those that had not ended by then.

        Whoever asked and hangs up leaves a node that takes pods again; those that were told to end do so.
        """
        self._is_stopping = True
        try:
            if self._node is not None:
                await self._node.take_no_more()
            return await shutdown.shut_down(list(self._workers.values()), shutdown.periods(total_s, critical_s))
        except asyncio.CancelledError:
            self._is_stopping = False
            if self._node is not None:
                self._node.take_again()
            raise

    async def run(self, ready: asyncio.Event) -> None:
        """ready: set when the node is Ready and every pod that it had has its worker."""
        self._context = await self._open()
        self._tasks = TaskSet()
        node = self._node = NodeStatus(
            self._client,
            self._runtime,
            self._config,
            self._recorder,
            lambda: evictor.conditions,
            self._annotations(),
            self.storage.attaching,
        )
        evictor = self._evictor = self._evictor_of(self._context, node)
        try:
            async with scope() as tasks:
                self._found = await self._of_runtime()
                await self._end_strays()
                tasks.spawn(self._events(), name="node runtime events")
                tasks.spawn(self.storage.registrations.run(), name="node plug-in registrations")
                if self._own_informers:
                    tasks.spawn(self._informers.run(), name="node informers")
                await self._api_answers()
                await self._static.open()
                tasks.spawn(self._static.run(), name="node static pods")
                tasks.spawn(self._relists(), name="node relists")
                tasks.spawn(housekeeping.keep_rotating(self._context, self._workers), name="node log rotation")
                await self._informers.wait_synced()
                self._pods.on_change(self._pod_changed)
                # What ended between the look at the runtime and the first event.
                tasks.spawn(self._relist(AFTER_RECONNECT_S), name="node first relist")
                tasks.spawn(self._sweep_orphans(), name="node orphans")
                tasks.spawn(housekeeping.keep_collecting(self._context, self._workers), name="node garbage")
                tasks.spawn(evictor.run(), name="node eviction")
                tasks.spawn(node.run(ready), name="node status")
                tasks.spawn(self.storage.objects.run(), name="node storage drivers")
        finally:
            await self._tasks.close()
            await self.storage.volumes.close()
            await self._objects.close()
            await self._context.images.close()

    def _annotations(self) -> dict[str, str]:
        """What the node says of its volumes: an enforcement of none is what a node has that cannot keep them to their size."""
        return {ENFORCEMENT: self.local_volumes.enforcement or "none", FOLDER: str(self.local_volumes.folder)}

    async def _api_answers(self) -> None:
        """Or does not within some seconds: static pods that were let in once do not wait for it, all others do."""
        try:
            async with asyncio.timeout(API_PATIENCE_S):
                await self._pods.wait_synced()
        except TimeoutError:
            log.warning("the API server does not answer: of this node's pods only static ones are started")
        else:
            for pod in self._pods.items():
                if mirrored_uid(pod):
                    self._pod_changed(None, pod)

    async def _open(self) -> Context:
        await self.storage.volumes.open()
        csi, views = self.storage.volumes, ImageViews(self._config, self._runtime)
        claimed = ClaimedVolumes(self._config, self._sources, self.local_volumes, csi)
        volumes = Volumes(self._config, self._sources, views, self._clock, claimed, csi)
        await volumes.open()
        # What an agent has left frozen that was killed would hold up whoever writes to it.
        await self.local_volumes.recover()
        allocatable = facts.allocatable(self._config)
        volumes.allocatable = allocatable
        images = ImageStore(self._runtime, self._config.pulls_dir, self._clock)
        await images.open()
        return Context(
            config=self._config,
            client=self._client,
            runtime=self._runtime,
            images=images,
            volumes=volumes,
            sources=self._sources,
            recorder=self._recorder,
            barrier=self._barrier,
            resolver=Resolver.of_host(),
            allocatable=allocatable,
            memory_bytes=facts.memory_bytes(),
            taken_ports=self._taken_ports,
            labels=facts.labels(self._config),
            cgroup_files=cgroups.of_containers(),
            clock=self._clock,
            pressure=lambda pod: self._evictor.refusal(pod) if self._evictor is not None else None,
            used_beside=self._used_beside,
            admitted=self._admitted,
            decide_resizes=self._decide_resizes,
        )

    def _used_beside(self, uid: str) -> dict[str, int]:
        workers = [each for key, each in self._workers.items() if key != uid and not (each.has_ended or podspec.has_ended(each.pod))]
        return {resource: sum(each.asks[resource] for each in workers) for resource in podspec.RESOURCES}

    def _decide_resizes(self) -> None:
        """Room that there is goes to who comes first."""
        pending = [resize for worker in self._workers.values() if (resize := worker.resize) is not None]
        for resize in sorted(pending, key=lambda each: each.turn):
            resize.decide()

    def _admitted(self, uid: str) -> list[Mapping[str, int]]:
        return [each.asks for key, each in self._workers.items() if key != uid and each.state.admitted and each.is_active]

    def _taken_ports(self, uid: str) -> Iterator[HostPort]:
        for key, worker in self._workers.items():
            if key != uid and worker.state.admitted and worker.is_active:
                yield from host_ports(worker.pod)

    def _evictor_of(self, context: Context, node: NodeStatus) -> Evictor:
        reclaim = Reclaim(
            containers=lambda: collect_containers(context, self._workers, 0.0, ends=Ends(), of_ended_pods=True),
            images=lambda: remove_unused_images(context, self._workers),
        )
        eviction = self._config.eviction

        def is_static(uid: str) -> bool:
            return uid in self._static.uids()

        return Evictor(eviction, self._signals, self._workers, reclaim, self._recorder, node.reference(), node.changed, is_static)

    async def _of_runtime(self, uid: str = "") -> Found:
        """What runs already, with all details (or of one pod): what workers adopt. Raises RuntimeFailure when the runtime does not answer;
        what it cannot say of one sandbox or container is a matter of that pod.
        """
        found = Found()
        listed_boxes, listed = await self._runtime.sandboxes(), await self._runtime.containers()
        wanted = [self._sandbox(found, each) for each in listed_boxes if each.uid == uid or not uid]
        for box in await each_of(wanted, limit=AT_ONCE):
            if box is not None:
                found.boxes.setdefault(box.uid, []).append(box)
        details = [self._container(found, each) for each in listed if each.uid == uid or not uid]
        for container in await each_of(details, limit=AT_ONCE):
            if container is not None:
                found.containers.setdefault(container.uid, []).append(container)
        return found

    async def _sandbox(self, found: Found, listed: Sandbox) -> Sandbox | None:
        return await _looked_at(self._runtime.sandbox(listed.id), listed.uid, found) if listed.ready else listed

    async def _container(self, found: Found, listed: Container) -> Container | None:
        container = await _looked_at(self._runtime.container(listed.id), listed.uid, found)
        return None if container is None else replace(container, sandbox_id=listed.sandbox_id)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new if new is not None else old
        assert pod is not None
        try:
            self._take(old, new, pod)
        except Exception as error:
            # The informer would end with it, and with it the care for all pods.
            log.exception("pod not taken over", pod=podspec.key_of(pod))
            self._say(pod, f"error syncing pod: {type(error).__name__}: {error}")

    def _take(self, old: Object | None, new: Object | None, pod: Object) -> None:
        if mirrored_uid(pod):
            self._static.mirror_changed(old, new)
            return
        new = None if new is None else as_of_api(new)
        uid = meta.uid(pod)
        worker = self._workers.get(uid)
        if new is None:
            if worker is not None:
                worker.removed()
        elif worker is not None:
            self._hold(uid, new)
            worker.update(new)
        else:
            self.begin(uid, new)

    def _hold(self, uid: str, pod: Object) -> None:
        """What the pod refers to is watched; one that has ended for good reads nothing any more."""
        self._objects.hold(uid, frozenset() if podspec.has_ended(pod) else referred(pod))

    def begin(self, uid: str, pod: Object) -> None:
        """A worker for a pod that has none."""
        assert self._context is not None
        assert self._tasks is not None
        found = self._found
        worker = PodWorker(self._context, pod, found.boxes.pop(uid, []), found.containers.pop(uid, []))
        self._workers[uid] = worker
        self._hold(uid, pod)
        if self._is_stopping:
            worker.reject(*shutdown.REJECTED)
        self._tasks.start(self._work(uid, worker, found.unread.pop(uid, None)), name=f"pod {podspec.key_of(pod)}")

    async def _work(self, uid: str, worker: PodWorker, unread: RuntimeFailure | None) -> None:
        """A worker that breaks on a bug is replaced by one that looks at the runtime afresh; the pod's processes go on.

        unread: why the first one does not know what there is of the pod; None when it does.
        """
        backoff = Backoff(CRASH_FIRST_S, cap_s=CRASH_MOST_S)
        while True:
            try:
                if unread is not None:
                    raise unread
                await worker.run()
            except Exception as error:
                pause_s = backoff.next_s()
                if error is unread:
                    log.warning(
                        "what runs of a pod could not be looked at", pod=podspec.key_of(worker.pod), why=str(error), retry_s=pause_s
                    )
                else:
                    log.exception("pod worker broke", pod=podspec.key_of(worker.pod), retry_s=pause_s)
                self._say_broken(worker, error, pause_s)
                await asyncio.sleep(pause_s)
                worker, unread = await self._replacement(uid, worker), None
            else:
                self._workers.pop(uid, None)
                self._static.wake()
                self._objects.release(uid)
                self._decide_resizes()
                return

    def _say_broken(self, worker: PodWorker, error: Exception, pause_s: float) -> None:
        """In the pod's events, too: whose pod it is does not read our log."""
        why = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        self._say(worker.pod, f"error syncing pod, tried again in {pause_s:.0f} s: {type(why).__name__}: {why}")

    def _say(self, pod: Object, message: str) -> None:
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]}
        self._recorder.say(about, "Warning", "FailedSync", message)

    async def _replacement(self, uid: str, broken: PodWorker) -> PodWorker:
        assert self._context is not None
        backoff = Backoff(CRASH_FIRST_S, cap_s=CRASH_MOST_S)
        while True:
            try:
                found = await self._of_runtime(uid)
                if uid in found.unread:
                    raise found.unread[uid]
            except RuntimeFailure as error:
                log.warning("what runs of a pod could not be looked at", pod=podspec.key_of(broken.pod), why=str(error))
                await asyncio.sleep(backoff.next_s())
                continue
            worker = PodWorker(self._context, broken.wanted, found.boxes.get(uid, []), found.containers.get(uid, []))
            self._workers[uid] = worker
            if broken.is_gone:
                worker.removed()
            if self._is_stopping:
                worker.reject(*shutdown.REJECTED)
            self._static.wake()
            return worker

    def _object_changed(self, changed: Reference) -> None:
        for worker in self._workers.values():
            if changed in referred(worker.pod):
                worker.refresh()

    async def _events(self) -> None:
        assert self._tasks is not None
        backoff = Backoff(EVENTS_RETRY_S, cap_s=5.0)
        while True:
            try:
                async for event in self._runtime.events():
                    backoff.reset()
                    self._tell(event)
            except RuntimeFailure as error:
                log.warning("event stream broken", why=str(error))
            await asyncio.sleep(backoff.next_s())
            # What happened while nobody listened; asked for when the new stream is surely open.
            self._tasks.start(self._relist(AFTER_RECONNECT_S), name="node relist")

    def _tell(self, event: RuntimeEvent) -> None:
        if isinstance(event, ExecEnded):
            assert self._tasks is not None
            self._tasks.start(self._unread.drop(event))
            return
        for worker in self._workers.values():
            if worker.owns(event.container_id):
                with self._of(worker):
                    match event:
                        case Exited():
                            worker.exited(event)
                        case OutOfMemory(id):
                            worker.out_of_memory(id)
                return

    @contextmanager
    def _of(self, worker: PodWorker) -> Iterator[None]:
        """What fails for one pod must not end the news for all; its own worker looks at the runtime again by itself."""
        try:
            yield
        except Exception as error:
            log.exception("pod not told", pod=podspec.key_of(worker.pod))
            self._say(worker.pod, f"error syncing pod: {type(error).__name__}: {error}")

    async def _relists(self) -> None:
        """Repair only: events tell everything as long as their stream holds."""
        while True:
            await asyncio.sleep(self._config.relist_s)
            await self._relist()

    async def _relist(self, delay_s: float = 0.0) -> None:
        await asyncio.sleep(delay_s)
        # Noted before the runtime is asked: what is made meanwhile is in no answer, and not gone for that.
        believed = [(worker, id) for worker in self._workers.values() for id in worker.believed_alive()]
        try:
            boxes, containers = await self._runtime.sandboxes(), await self._runtime.containers()
        except RuntimeFailure as error:
            log.warning("relist failed", why=str(error))
            return
        states = {container.id: container.state for container in containers} | {box.id: "" if box.ready else EXITED for box in boxes}
        for worker, id in believed:
            if states.get(id, EXITED) == EXITED:
                with self._of(worker):
                    worker.doubt(id)

    async def _end_strays(self) -> None:
        """What runs in a pod's cgroup although the runtime has lost its records would go on beside what is made in its place."""
        found = self._found
        known = {*found.boxes, *found.containers, *found.unread}
        killed = await asyncio.to_thread(cgroups.kill_strays, self._config.instance, known)
        for uid, pids in killed.items():
            log.warning("processes of a pod that the runtime does not know killed", uid=uid, pids=sorted(pids))

    async def _sweep_orphans(self) -> None:
        """What the node has of pods that are no more: removed from the API while no agent ran, or not removable when their turn was."""
        while True:
            try:
                await each_of([self._sweep(uid) for uid in await self._orphans()], limit=AT_ONCE)
                await self.storage.volumes.tidy()
            except (RuntimeFailure, OSError) as error:
                log.warning("orphans not looked for", why=str(error))
            await asyncio.sleep(ORPHANS_LEAST_S)
            await is_set(self._orphans_wake, ORPHANS_S)
            self._orphans_wake.clear()

    async def _orphans(self) -> set[str]:
        assert self._context is not None
        boxes, containers = await self._runtime.sandboxes(), await self._runtime.containers()
        known = await asyncio.to_thread(lambda volumes: volumes.present() | cgroups.pods(self._config.instance), self._context.volumes)
        found = {each.uid for each in boxes} | {each.uid for each in containers} | known
        # Asked last: a pod that has begun meanwhile has its worker. What names no pod is not ours to remove.
        return found - set(self._workers) - {meta.uid(pod) for pod in self._pods.items()} - self._static.uids() - {""}

    async def _sweep(self, uid: str) -> None:
        assert self._context is not None
        try:
            await sweep(self._context, uid)
        except (RuntimeFailure, OSError) as error:
            log.warning("orphan not swept", uid=uid, why=str(error))


async def _looked_at(asked: Awaitable[T], uid: str, found: Found) -> T | None:
    """The answer; None when what is asked about has been removed since it was listed, or cannot be looked at, which is noted."""
    try:
        return await asked
    except RuntimeFailure as error:
        if error.code in RUNTIME_AWAY:
            raise
        if error.code != "NOT_FOUND":
            found.unread[uid] = error
        return None
