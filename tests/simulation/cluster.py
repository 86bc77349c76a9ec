"""The cluster that is simulated, and what a test does with it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.controller import SLOWED as CONTROLLERS_SLOWED
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.boot.control import SERVED
from pilothouse.engine.controllers.controllers import Controllers
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.volumes import volumes
from pilothouse.engine.node.work import rounds, sandboxing, worker
from pilothouse.engine.scheduler.config.types import SchedulerConfig
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS, SERVICEACCOUNTS
from pilothouse.model.resource import Resource
from tests.people import ADMIN, CONTROLLER_MANAGER, SCHEDULER, client_of, controller_client, refused_parts
from tests.people import node as node_user
from tests.simulation.fake_figures import FakeFigures
from tests.simulation.fake_runtime import FakeRuntime
from tests.simulation.memory_store import MemoryStore
from tests.simulation.virtual import until

NODE = "node-1"
CONTROLLERS = (
    "deployment", "replicaset", "statefulset", "daemonset", "job", "job-strays", "endpointslice", "endpoints", "garbage-collector",
    "namespace", "node-lifecycle", "taint-eviction", "serviceaccount", "scheduler", "apps", "builds", "build-sweeps",
)  # fmt: skip


@dataclass(slots=True)
class Simulated:
    """agent: of the one node; barrier: join it to play a proxy. figures: by which the node evicts."""

    store: MemoryStore
    server: ApiServer
    client: Client
    runtime: FakeRuntime
    agent: NodeAgent
    barrier: EndpointBarrier
    figures: FakeFigures

    async def create(self, resource: Resource, obj: Object, namespace: str = "default") -> Object:
        return await self.client.create(resource, obj, namespace if resource.namespaced else None)

    async def get(self, resource: Resource, name: str, namespace: str = "default") -> Object | None:
        return await self.client.get_or_none(resource, name, namespace if resource.namespaced else None)

    async def items(self, resource: Resource, namespace: str | None = "default") -> list[Object]:
        return (await self.client.list(resource, namespace)).items

    async def patch(self, resource: Resource, name: str, patch: Any, namespace: str = "default", **more: Any) -> Object:
        return await self.client.patch(resource, name, patch, namespace=namespace if resource.namespaced else None, **more)

    async def until(self, resource: Resource, name: str, holds: Any, seconds: float = 600.0) -> Object:
        """The object once it fulfils the condition; None is passed while it is not there."""
        last: Object | None = None
        waited_s = 0.0
        while waited_s < seconds:
            last = await self.get(resource, name)
            if holds(last):
                return last or {}
            pause_s = max(0.02, waited_s / 100)
            await asyncio.sleep(pause_s)
            waited_s += pause_s
        raise AssertionError(f"it never held for {name}: {(last or {}).get('status')}")

    async def runs(self, pod: Object) -> Object:
        """Makes a pod and waits until it is ready."""
        await self.create(PODS, pod)
        return await self.until(PODS, meta.name(pod), lambda found: meta.is_true(found, "Ready"))

    def worker(self, name: str) -> worker.PodWorker:
        return next(each for each in self.agent._workers.values() if meta.name(each.pod) == name)


READ_TOO_LATE = [("system:node:*", "get", resource, "*") for resource in ("configmaps", "secrets")]
"""A pod may be gone from the API, and with it the node's right to what the pod names, before the node has heard of it."""


@asynccontextmanager
async def simulated(folder: Path, state: Path, scheduling: SchedulerConfig | None = None) -> AsyncIterator[Simulated]:
    """folder: for the node's files. state: kept between clusters, since a key and the schemas take long to make. scheduling: the
    scheduler's profiles, one default without it."""
    store = MemoryStore()
    config = NodeConfig(home=folder, node_name=NODE, instance="pilothouse-test", addresses=("192.0.2.1",), pod_cidrs=("10.9.0.0/16",))
    config.containerd_dir.mkdir(parents=True, exist_ok=True)
    runtime, barrier = FakeRuntime(), EndpointBarrier()
    async with _without_the_machine(), ApiServer.open(store, Settings(state=state)) as server, scope() as tasks:
        manager, placing, node = (client_of(server, user) for user in (CONTROLLER_MANAGER, SCHEDULER, node_user(NODE)))
        informers, recorder = Informers(manager), Recorder(manager, None, "controllers")
        said, placed = Recorder(node, None, "kubelet", NODE), Recorder(placing, None, "default-scheduler")
        controllers = Controllers(partial(controller_client, server), informers, recorder, root_ca="PEM", clock=time.time)
        scheduler = Scheduler(placing, informers, placed, served=SERVED, config=scheduling)
        figures = FakeFigures()
        agent = NodeAgent(node, runtime, config, said, barrier, signals=figures)
        for each in (recorder, said, placed):
            tasks.spawn(each.run(), name="events")
        await tasks.start(informers.run)
        await tasks.start(controllers.run)
        tasks.spawn(scheduler.run(), name="scheduler")
        await tasks.start(agent.run)
        cluster = Simulated(store, server, client_of(server, ADMIN), runtime, agent, barrier, figures)
        await cluster.until(SERVICEACCOUNTS, "default", bool)
        yield cluster
        await runtime.close()
        tasks.cancel()
        assert not [each for each in refused_parts(server) if each not in READ_TOO_LATE]


@asynccontextmanager
async def _without_the_machine() -> AsyncIterator[None]:
    """No mounts and no cgroups: what a test must not leave behind on the machine that it runs on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumes, "mount_memory", lambda folder, options, name="tmpfs": None)
        patch.setattr(sandboxing, "weigh", lambda parent, shares: None)
        patch.setattr(cgroups, "pods", lambda instance: set())
        patch.setattr(cgroups, "clear", lambda parent: set())
        yield


class Calm:
    """No loop has used up its budget of rounds since this was made."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        found = {name: CONTROLLERS_SLOWED.value(name) for name in CONTROLLERS}
        return found | {"pod worker": rounds.SLOWED.value()}

    def holds(self) -> None:
        grown = {name: count - self._before[name] for name, count in self._now().items() if count > self._before[name]}
        assert not grown, f"loops that came round too often: {grown}"


__all__ = ["NODE", "Calm", "Simulated", "simulated", "until"]
