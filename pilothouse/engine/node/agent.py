"""The node agent: workers for the pods of this node, fed by the API's news and the runtime's events.

A pod is known by its uid: one that is deleted and made again under its name is another pod with another worker.
"""

import asyncio

import structlog

from pilothouse.aio.backoff import Backoff
from pilothouse.aio.tasks import TaskSet, scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.client.watched import Reference, WatchedObjects
from pilothouse.engine.node import cgroups, housekeeping, nodefacts, podspec
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.connector import Connector
from pilothouse.engine.node.ending import sweep
from pilothouse.engine.node.imagestore import ImageStore
from pilothouse.engine.node.node import NodeStatus
from pilothouse.engine.node.podcontext import Context
from pilothouse.engine.node.referred import referred
from pilothouse.engine.node.runtime import EXITED, Container, ExecEnded, Exited, OutOfMemory, Runtime, RuntimeEvent, RuntimeFailure, Sandbox
from pilothouse.engine.node.sandbox import Resolver
from pilothouse.engine.node.sources import ApiSources
from pilothouse.engine.node.unread_input import UnreadInput
from pilothouse.engine.node.volumes import Volumes
from pilothouse.engine.node.worker import PodWorker
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS

log = structlog.get_logger("node.agent")

EVENTS_RETRY_S, AFTER_RECONNECT_S = 0.2, 1.0
CRASH_FIRST_S, CRASH_MOST_S = 5.0, 300.0


class NodeAgent:
    """informers: the process's shared ones, when it has some and runs them; else the agent keeps its own."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        config: NodeConfig,
        recorder: Recorder,
        barrier: EndpointBarrier,
        *,
        informers: Informers | None = None,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._config = config
        self._recorder = recorder
        self._own_informers = informers is None
        self._informers = Informers(client) if informers is None else informers
        self._pods = self._informers.of(PODS, field_selector=f"spec.nodeName={config.node_name}")
        self._objects = WatchedObjects(client, self._object_changed)
        self._sources = ApiSources(client, self._informers, self._objects)
        self._barrier = barrier
        self._workers: dict[str, PodWorker] = {}
        self._tasks: TaskSet | None = None
        self._context: Context | None = None
        self._found: tuple[dict[str, list[Sandbox]], dict[str, list[Container]]] = ({}, {})
        self._unread = UnreadInput(config.containerd_dir / "state")
        self.connector = Connector(runtime, config, self._tracked)

    def _tracked(self, uid: str, name: str, *, previous: bool) -> Container | None:
        """A container of a pod, for logs and exec."""
        worker = self._workers.get(uid)
        tracked = worker.state.containers.get(name) if worker is not None else None
        if tracked is None:
            return None
        return tracked.previous if previous else tracked.latest or tracked.previous

    def pod(self, uid: str) -> Object | None:
        """The object of a pod that the node still has something of."""
        worker = self._workers.get(uid)
        return worker.pod if worker is not None else None

    @property
    def pods_here(self) -> int:
        """How many pods the node still has something of."""
        return len(self._workers)

    async def run(self, ready: asyncio.Event) -> None:
        """ready: set when the node is Ready and every pod that it had has its worker."""
        self._context = await self._open()
        self._tasks = TaskSet()
        node = NodeStatus(self._client, self._runtime, self._config, self._recorder)
        try:
            async with scope() as tasks:
                self._found = await self._of_runtime()
                tasks.spawn(self._events(), name="node runtime events")
                if self._own_informers:
                    await tasks.start(self._informers.run, name="node informers")
                await self._pods.wait_synced()
                self._pods.on_change(self._pod_changed)
                tasks.spawn(self._sweep_orphans(), name="node orphans")
                tasks.spawn(self._relists(), name="node relists")
                tasks.spawn(housekeeping.run(self._context, self._containers_of), name="node housekeeping")
                tasks.spawn(node.run(ready), name="node status")
        finally:
            await self._tasks.close()
            await self._objects.close()
            await self._context.images.close()

    async def _open(self) -> Context:
        volumes = Volumes(self._config, self._sources)
        await volumes.open()
        allocatable = nodefacts.allocatable(self._config)
        volumes.allocatable = allocatable
        return Context(
            config=self._config,
            client=self._client,
            runtime=self._runtime,
            images=ImageStore(self._runtime),
            volumes=volumes,
            sources=self._sources,
            recorder=self._recorder,
            barrier=self._barrier,
            resolver=Resolver.of_host(),
            allocatable=allocatable,
            memory_bytes=nodefacts.memory_bytes(),
        )

    async def _of_runtime(self, uid: str = "") -> tuple[dict[str, list[Sandbox]], dict[str, list[Container]]]:
        """What runs already, with all details, by pod (or of one pod): what workers adopt."""
        boxes: dict[str, list[Sandbox]] = {}
        containers: dict[str, list[Container]] = {}
        for box in await self._runtime.sandboxes():
            if box.uid == uid or not uid:
                boxes.setdefault(box.uid, []).append(await self._runtime.sandbox(box.id) if box.ready else box)
        for listed in await self._runtime.containers():
            if listed.uid == uid or not uid:
                found = await self._runtime.container(listed.id)
                containers.setdefault(listed.uid, []).append(housekeeping.merged(listed, found))
        return boxes, containers

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new if new is not None else old
        assert pod is not None
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
            self._start(uid, new)

    def _start(self, uid: str, pod: Object) -> None:
        assert self._context is not None
        assert self._tasks is not None
        boxes, containers = self._found
        self._objects.hold(uid, referred(pod))
        worker = PodWorker(self._context, pod, boxes.pop(uid, []), containers.pop(uid, []))
        self._workers[uid] = worker
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
                self._objects.release(uid)
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
            worker = self._workers[uid] = PodWorker(self._context, broken.pod, boxes.get(uid, []), containers.get(uid, []))
            if broken.is_gone:
                worker.removed()
            return worker

    def _object_changed(self, changed: Reference) -> None:
        for worker in self._workers.values():
            if changed in referred(worker.pod):
                worker.refresh()

    def _containers_of(self) -> dict[str, PodWorker]:
        return self._workers

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
        """Pods that were removed from the API while no agent ran."""
        assert self._context is not None
        boxes, containers = self._found
        known = self._context.volumes.present() | await asyncio.to_thread(cgroups.pods, self._config.instance)
        orphans = (set(boxes) | set(containers) | known) - set(self._workers)
        for uid in orphans:
            try:
                await sweep(self._context, uid)
            except RuntimeFailure as error:
                log.warning("orphan not swept", uid=uid, why=str(error))
