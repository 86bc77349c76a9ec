"""The node agent: workers for the pods of this node, fed by the API's news and the runtime's events.

A pod is known by its uid: one that is deleted and made again under its name is another pod with another worker.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.clock import Steady
from pilothouse.aio.tasks import TaskSet, scope
from pilothouse.aio.tasks import each as each_of
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.engine.node import facts, shutdown
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.eviction.evictor import Evictor, Reclaim, Signals
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.housekeeping import run as housekeeping
from pilothouse.engine.node.housekeeping.containers import Ends, collect_containers
from pilothouse.engine.node.housekeeping.images import remove_unused_images
from pilothouse.engine.node.images.store import ImageStore
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
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.engine.node.volumes.volumes import Volumes
from pilothouse.engine.node.work.context import Context
from pilothouse.engine.node.work.ending import sweep
from pilothouse.engine.node.work.worker import PodWorker
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

log = structlog.get_logger("node.agent")

EVENTS_RETRY_S, AFTER_RECONNECT_S = 0.2, 1.0
CRASH_FIRST_S, CRASH_MOST_S = 5.0, 300.0
AT_ONCE = 8

T = TypeVar("T")


class NodeAgent:
    """informers: the process's shared ones, when it has some and runs them; else the agent keeps its own.

    signals: by which pods are evicted, None for those of this machine.
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
    ) -> None:
        self._clock = Steady()
        self._client = client
        self._runtime = runtime
        self._config = config
        self._recorder = recorder
        self._own_informers = informers is None
        self._informers = Informers(client) if informers is None else informers
        self._pods = self._informers.of(PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._objects = WatchedObjects(client, self._object_changed)
        self._sources = ApiSources(client, self._informers, self._objects, self._clock)
        self._barrier = barrier
        self._workers: dict[str, PodWorker] = {}
        self._tasks: TaskSet | None = None
        self._node: NodeStatus | None = None
        self._is_stopping = False
        self._context: Context | None = None
        self._found: tuple[dict[str, list[Sandbox]], dict[str, list[Container]]] = ({}, {})
        self._unread = UnreadInput(config.containerd_dir / "state")
        self._static = StaticPods(client, config, recorder, self)
        self.connector = Connector(runtime, config, self._tracked)
        self.view = NodeView(runtime, config, self._workers, self.connector, self.worker)
        self._signals: Signals = self.view.statistics if signals is None else signals
        self._evictor: Evictor | None = None

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
        node = self._node = NodeStatus(self._client, self._runtime, self._config, self._recorder, lambda: evictor.conditions)
        evictor = self._evictor = self._evictor_of(self._context, node)
        try:
            async with scope() as tasks:
                self._found = await self._of_runtime()
                tasks.spawn(self._events(), name="node runtime events")
                if self._own_informers:
                    await tasks.start(self._informers.run, name="node informers")
                await self._pods.wait_synced()
                self._pods.on_change(self._pod_changed)
                await self._static.open()
                tasks.spawn(self._static.run(), name="node static pods")
                # What ended between the look at the runtime and the first event.
                tasks.spawn(self._relist(AFTER_RECONNECT_S), name="node first relist")
                tasks.spawn(self._sweep_orphans(), name="node orphans")
                tasks.spawn(self._relists(), name="node relists")
                tasks.spawn(housekeeping.run(self._context, self._workers), name="node housekeeping")
                tasks.spawn(evictor.run(), name="node eviction")
                tasks.spawn(node.run(ready), name="node status")
        finally:
            await self._tasks.close()
            await self._objects.close()
            await self._context.images.close()

    async def _open(self) -> Context:
        volumes = Volumes(self._config, self._sources, ImageViews(self._config, self._runtime), self._clock)
        await volumes.open()
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
            clock=self._clock,
            pressure=lambda pod: self._evictor.refusal(pod) if self._evictor is not None else None,
            others=self._others,
            decide_resizes=self._decide_resizes,
        )

    def _others(self, uid: str) -> list[Object]:
        return [each.pod for key, each in self._workers.items() if key != uid and not (each.has_ended or podspec.has_ended(each.pod))]

    def _decide_resizes(self) -> None:
        """Room that there is goes to who comes first."""
        pending = [resize for worker in self._workers.values() if (resize := worker.resize) is not None]
        for resize in sorted(pending, key=lambda each: each.turn):
            resize.decide()

    def _evictor_of(self, context: Context, node: NodeStatus) -> Evictor:
        reclaim = Reclaim(
            containers=lambda: collect_containers(context, self._workers, 0.0, ends=Ends(), of_ended_pods=True),
            images=lambda: remove_unused_images(context, self._workers),
        )
        eviction = self._config.eviction

        def is_static(uid: str) -> bool:
            return uid in self._static.uids()

        return Evictor(eviction, self._signals, self._workers, reclaim, self._recorder, node.reference(), node.changed, is_static)

    async def _of_runtime(self, uid: str = "") -> tuple[dict[str, list[Sandbox]], dict[str, list[Container]]]:
        """What runs already, with all details, by pod (or of one pod): what workers adopt."""
        boxes: dict[str, list[Sandbox]] = {}
        containers: dict[str, list[Container]] = {}
        listed_boxes, listed = await self._runtime.sandboxes(), await self._runtime.containers()
        wanted = [self._sandbox(each) for each in listed_boxes if each.uid == uid or not uid]
        for box in await each_of(wanted, limit=AT_ONCE):
            if box is not None:
                boxes.setdefault(box.uid, []).append(box)
        details = [self._container(each) for each in listed if each.uid == uid or not uid]
        for container in await each_of(details, limit=AT_ONCE):
            if container is not None:
                containers.setdefault(container.uid, []).append(container)
        return boxes, containers

    async def _sandbox(self, listed: Sandbox) -> Sandbox | None:
        return await _unless_gone(self._runtime.sandbox(listed.id)) if listed.ready else listed

    async def _container(self, listed: Container) -> Container | None:
        found = await _unless_gone(self._runtime.container(listed.id))
        return None if found is None else replace(found, sandbox_id=listed.sandbox_id)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new if new is not None else old
        assert pod is not None
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
            # What has ended for good reads nothing any more.
            self._objects.hold(uid, frozenset() if podspec.has_ended(new) else referred(new))
            worker.update(new)
        else:
            self.begin(uid, new)

    def begin(self, uid: str, pod: Object) -> None:
        """A worker for a pod that has none."""
        assert self._context is not None
        assert self._tasks is not None
        boxes, containers = self._found
        self._objects.hold(uid, referred(pod))
        worker = PodWorker(self._context, pod, boxes.pop(uid, []), containers.pop(uid, []))
        self._workers[uid] = worker
        if self._is_stopping:
            worker.reject(*shutdown.REJECTED)
        self._tasks.start(self._work(uid, worker), name=f"pod {podspec.key_of(pod)}")

    async def _work(self, uid: str, worker: PodWorker) -> None:
        """A worker that breaks on a bug is replaced by one that looks at the runtime afresh; the pod's processes go on."""
        backoff = Backoff(CRASH_FIRST_S, cap_s=CRASH_MOST_S)
        while True:
            try:
                await worker.run()
            except Exception as error:
                pause_s = backoff.next_s()
                log.exception("pod worker broke", pod=podspec.key_of(worker.pod), retry_s=pause_s)
                self._say_broken(worker, error, pause_s)
                await asyncio.sleep(pause_s)
                worker = await self._replacement(uid, worker)
            else:
                self._workers.pop(uid, None)
                self._static.wake()
                self._objects.release(uid)
                self._decide_resizes()
                return

    def _say_broken(self, worker: PodWorker, error: Exception, pause_s: float) -> None:
        """In the pod's events, too: whose pod it is does not read our log."""
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": worker.pod["metadata"]}
        why = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        message = f"error syncing pod, tried again in {pause_s:.0f} s: {type(why).__name__}: {why}"
        self._recorder.say(about, "Warning", "FailedSync", message)

    async def _replacement(self, uid: str, broken: PodWorker) -> PodWorker:
        assert self._context is not None
        backoff = Backoff(CRASH_FIRST_S, cap_s=CRASH_MOST_S)
        while True:
            try:
                boxes, containers = await self._of_runtime(uid)
            except RuntimeFailure as error:
                log.warning("runtime does not answer", why=str(error))
                await asyncio.sleep(backoff.next_s())
                continue
            worker = self._workers[uid] = PodWorker(self._context, broken.wanted, boxes.get(uid, []), containers.get(uid, []))
            if broken.is_gone:
                worker.removed()
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
                match event:
                    case Exited():
                        worker.exited(event)
                    case OutOfMemory(id):
                        worker.out_of_memory(id)
                return

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
                worker.doubt(id)

    async def _sweep_orphans(self) -> None:
        """Pods that were removed from the API while no agent ran. What cannot be swept is tried again."""
        assert self._context is not None
        boxes, containers = self._found
        known = self._context.volumes.present() | await asyncio.to_thread(cgroups.pods, self._config.instance)
        orphans, backoff = set(boxes) | set(containers) | known, Backoff(CRASH_FIRST_S, cap_s=CRASH_MOST_S)
        while True:
            orphans -= set(self._workers) | self._static.uids()
            orphans = {uid for uid in orphans if not await self._is_swept(uid)}
            if not orphans:
                return
            await asyncio.sleep(backoff.next_s())

    async def _is_swept(self, uid: str) -> bool:
        assert self._context is not None
        try:
            await sweep(self._context, uid)
        except (RuntimeFailure, OSError) as error:
            log.warning("orphan not swept", uid=uid, why=str(error))
            return False
        return True


async def _unless_gone(asked: Awaitable[T]) -> T | None:
    """The answer; None when what is asked about has been removed since it was listed."""
    try:
        return await asked
    except RuntimeFailure as error:
        if error.code != "NOT_FOUND":
            raise
        return None
