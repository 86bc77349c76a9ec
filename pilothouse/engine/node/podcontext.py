"""What all pod workers share, and the handle through which the parts of one worker see its pod."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from pilothouse.aio.tasks import Scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.node import podspec
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.imagestore import ImageStore
from pilothouse.engine.node.podstate import PodState, Tracked
from pilothouse.engine.node.runtime import Runtime
from pilothouse.engine.node.sandbox import Resolver
from pilothouse.engine.node.sources import Sources
from pilothouse.engine.node.volumes import Volumes
from pilothouse.model.json import Object

log = structlog.get_logger("node.pod")


@dataclass(frozen=True, slots=True)
class Context:
    """allocatable: what the node offers to pods, as in its status. now: seconds since the epoch."""

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
    now: Callable[[], float] = field(default_factory=lambda: time.time)


@dataclass(slots=True)
class Handle:
    """One pod as its worker sees it. object: the newest from the API; gone: it is not there any more.

    changed(): something to report and perhaps to do. tasks: of the running worker.
    """

    context: Context
    object: Object
    state: PodState
    changed: Callable[[], None]
    gone: bool = False
    tasks: Scope | None = None
    probing: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def spawn(self, work: Coroutine[Any, Any, None], what: str) -> asyncio.Task[None]:
        """Something in the background, for as long as the worker runs. what: names it in the task and in the event of its failure."""
        assert self.tasks is not None, "the pod's worker runs"
        return self.tasks.spawn(self._guarded(work, what), name=f"pod {podspec.key_of(self.object)} {what}")

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
            init = any(each["name"] == container for each in podspec.init_containers(self.object))
            path = f"spec.{'initContainers' if init else 'containers'}{{{container}}}"
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
