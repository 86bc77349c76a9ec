"""What all pod workers share, and the handle through which the parts of one worker see its pod."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from pilothouse.aio.clock import Steady
from pilothouse.aio.tasks import Scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.images.store import ImageStore
from pilothouse.engine.node.pod import podspec
from pilothouse.engine.node.pod.sources import Sources
from pilothouse.engine.node.pod.state import PodState, Tracked, Waiting
from pilothouse.engine.node.request.sandbox import Resolver
from pilothouse.engine.node.runtime.seam import Runtime
from pilothouse.engine.node.volumes.volumes import Volumes
from pilothouse.engine.node.work.rejections import Rejections
from pilothouse.model.host_ports import HostPort
from pilothouse.model.json import Object

log = structlog.get_logger("node.pod")


@dataclass(frozen=True, slots=True)
class Context:
    """allocatable: what the node offers to pods, as in its status. clock: by which the work decides.

    pressure: why a pod must not begin on this node now, since the node is short of something.
    used_beside: what the pods that the node runs or will run beside the one of that uid are allotted in all.
    admitted: what each of those is allotted that it has taken already and whose end nobody has decided.
    cgroup_files: what the cgroup of each container says beside its limits, file -> value.
    taken_ports: of the node, which the pods beside the one of that uid have that it has taken and whose end nobody has decided.
    labels: that the node gives itself; its Node may have others from elsewhere.
    decide_resizes(): those of all pods that are due or wait for room, in their order, since one is due or some room is free again.
    """

    config: NodeConfig
    client: Client
    runtime: Runtime
    images: ImageStore
    volumes: Volumes
    sources: Sources
    recorder: Recorder
    barrier: EndpointBarrier
    resolver: Resolver
    allocatable: Object
    memory_bytes: int
    clock: Steady = field(default_factory=Steady)
    taken_ports: Callable[[str], Iterable[HostPort]] = lambda uid: ()
    labels: Mapping[str, str] = field(default_factory=dict)
    cgroup_files: Mapping[str, str] = field(default_factory=dict)
    rejections: Rejections = field(default_factory=Rejections)
    pressure: Callable[[Object], Waiting | None] = lambda pod: None
    used_beside: Callable[[str], Mapping[str, int]] = lambda uid: {}
    admitted: Callable[[str], list[Mapping[str, int]]] = lambda uid: []
    decide_resizes: Callable[[], None] = lambda: None

    def now(self) -> float:
        """For deciding when something is due: never goes back, whatever is done to the machine's clock."""
        return self.clock()


@dataclass(slots=True)
class Handle:
    """One pod as its worker sees it. object: the newest from the API; gone: it is not there any more.

    spent_grace_s: of the pod's grace, before this worker began.
    changed(): something to report and perhaps to do. refresh(): what failed for want of something is tried at once, since that is here now.
    tasks: of the running worker. ending: set when the pod's containers are about to end for good: only readiness is probed from then on.
    """

    context: Context
    object: Object
    state: PodState
    changed: Callable[[], None]
    refresh: Callable[[], None]
    gone: bool = False
    spent_grace_s: float = 0.0
    tasks: Scope | None = None
    probing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Something in the background, for as long as the worker runs. what: names it in the task and in the event of its failure."""
        assert self.tasks is not None, "the pod's worker runs"
        try:
            task = self.tasks.spawn(self._guarded(work, what), name=f"pod {podspec.key_of(self.object)} {what}")
        except RuntimeError:
            work.close()
            raise
        # A task that is cancelled before its first step never comes to its work.
        task.add_done_callback(lambda _: work.close())
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """An error that nobody foresaw hurts the work at hand; the worker and the pod's other containers go on."""
        try:
            await work
        except Exception as error:
            log.exception("background work of a pod broke", pod=podspec.key_of(self.object), what=what)
            self.say("Warning", "FailedSync", f"{what} failed: {type(error).__name__}: {error}")
            self.changed()

    @property
    def is_ending(self) -> bool:
        return self.gone or podspec.deleting(self.object)

    @property
    def uid(self) -> str:
        found: str = self.object["metadata"]["uid"]
        return found

    @property
    def probe_ip(self) -> str:
        """Where probes and hooks find the pod."""
        if podspec.host_network(self.object):
            return self.context.config.addresses[0]
        return self.state.ips[0] if self.state.ips else ""

    def say(self, type: str, reason: str, message: str, container: str = "", **facts: Any) -> None:
        path = ""
        if container:
            path = podspec.field_path(self.object, container)
        about = {"apiVersion": "v1", "kind": "Pod", "metadata": self.object["metadata"]}
        self.context.recorder.say(about, type, reason, message, field_path=path, **facts)

    def stop_probing(self, name: str) -> None:
        task = self.probing.pop(name, None)
        if task is not None:
            task.cancel()

    def stop_probes(self) -> None:
        for name in list(self.probing):
            self.stop_probing(name)

    def tracked(self) -> list[Tracked]:
        return [self.state.of(each) for each in podspec.all_containers(self.object)]
