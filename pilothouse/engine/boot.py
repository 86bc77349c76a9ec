"""Wires the engine: the only module that knows all of its parts.

    store -> API server -> listeners
                 |-> controllers, scheduler, node agent: each a client in this process, signed in as itself

The node's network is not the engine's: whoever runs both starts the pod network first, since the API server also listens on
the bridge's address for the pods.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pilothouse.aio.tasks import Scope, scope
from pilothouse.aio.watchdog import Watchdog
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.apiserver.identity import AUTHENTICATED, MASTERS, User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings as ApiSettings
from pilothouse.engine.controllers.controllers import Controllers
from pilothouse.engine.identities import Identities
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.containerd import Containerd
from pilothouse.engine.node.cri import CriRuntime
from pilothouse.engine.node.images import load_archive, pause_archive
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.engine.store.room import QUOTA_BYTES
from pilothouse.engine.store.store import Store
from pilothouse.wire import Limits, serve
from pilothouse.wire.tls import server_context

BODY_BYTES = 3 << 20
"""The largest request body, as upstream's."""

SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter from the store's writer thread. Python's 5 ms, a handful of times a batch, would hold
up all writes whenever the loop is busy: 60 a second were measured beside a saturated loop instead of 3,000."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """addresses: that the API server listens on, the first one for the administrator. internal: by which pods reach it.

    store_quota_bytes: of all API objects together, as JSON.
    """

    store: Path
    pki: Path
    cache: Path
    kubeconfig: Path
    addresses: tuple[str, ...]
    internal: str
    port: int
    service_cidr: str
    service_address: str
    node_ports: tuple[int, int]
    cluster_domain: str
    node: NodeConfig
    store_quota_bytes: int = QUOTA_BYTES


class Engine:
    """told: hears each step of the start as it is done."""

    def __init__(self, config: EngineConfig, decisions: DecisionLog, barrier: EndpointBarrier, told: Told = lambda _: None) -> None:
        self.config = config
        self.decisions = decisions
        self.barrier = barrier
        self.told = told

    @asynccontextmanager
    async def open(self, network: Callable[[], Awaitable[object]]) -> AsyncIterator["Engine"]:
        """Run the cluster for the block, which is entered when its API answers and its node is registered.

        network: awaited before the listeners open; prepares the addresses that pods use.
        """
        sys.setswitchinterval(min(SWITCH_S, sys.getswitchinterval()))
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(scope())
            tasks.spawn(Watchdog().run(), name="watchdog")
            containerd = Containerd(self.config.node)
            runtime = tasks.spawn(self._runtime(containerd), name="container runtime")
            net = tasks.spawn(_wait(network()), name="network")
            identities = await self._identities()
            store = await stack.enter_async_context(Store.open(self.config.store, quota_bytes=self.config.store_quota_bytes))
            tasks.spawn(store.failure(), name="store")
            self._server = await stack.enter_async_context(ApiServer.open(store, self._api_settings(identities)))
            await net
            await self._listen(stack, identities)
            self.told("API server")
            await self._start_controllers(tasks, identities)
            await self._start_node(tasks, await runtime)
            tasks.spawn(containerd.keep_running(), name="containerd")
            self.told("node")
            yield self
            tasks.cancel()

    def client(self, user: str, *groups: str) -> Client:
        """A client in this process, signed in as the user; the API server authorizes it like any other."""
        return Client(InProcessTransport(self._server, User(user, (*groups, AUTHENTICATED))), field_manager=user.rpartition(":")[2])

    def admin(self) -> Client:
        return self.client("system:pilothouse", MASTERS)

    async def _identities(self) -> Identities:
        config = self.config
        identities = Identities(config.pki)
        names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            f"kubernetes.default.svc.{config.cluster_domain}",
        ]
        addresses = sorted({*config.addresses, config.internal, config.service_address, "127.0.0.1"})
        url = f"https://{config.addresses[0]}:{config.port}"
        await asyncio.to_thread(identities.ensure, config.kubeconfig, url, names, addresses)
        return identities

    def _api_settings(self, identities: Identities) -> ApiSettings:
        first, last = self.config.node_ports
        return ApiSettings(
            state=self.config.cache,
            host=self.config.internal,
            port=self.config.port,
            ca=identities.ca.read_text(),
            service_cidr=self.config.service_cidr,
            node_ports=range(first, last + 1),
        )

    async def _listen(self, stack: AsyncExitStack, identities: Identities) -> None:
        certificate, key = identities.server
        context = server_context(certificate, key, identities.ca)
        for address in dict.fromkeys((*self.config.addresses, self.config.internal)):
            limits, body_limit = Limits(body_bytes=BODY_BYTES), self._server.body_limit
            server = await serve(self._server.handle, address, self.config.port, tls=context, limits=limits, body_limit=body_limit)
            await stack.enter_async_context(server)

    async def _runtime(self, containerd: Containerd) -> CriRuntime:
        """containerd, ours, running and with the sandbox image."""
        node = self.config.node
        await containerd.start()
        runtime = CriRuntime(containerd.socket)
        if await runtime.image(node.sandbox_image) is None:
            archive = node.home / "pause.tar"
            await asyncio.to_thread(pause_archive, archive, node.sandbox_image)
            await load_archive(containerd.socket, archive)
        self.told("container runtime")
        return runtime

    async def _start_controllers(self, tasks: Scope, identities: Identities) -> None:
        client = self.client("system:kube-controller-manager", MASTERS)
        scheduling = self.client("system:kube-scheduler", MASTERS)
        informers = Informers(client)
        recorder = Recorder(client, self.decisions, "controller-manager")
        controllers = Controllers(client, informers, recorder, root_ca=identities.ca.read_text())
        scheduler = Scheduler(scheduling, informers, recorder.named("default-scheduler"))
        tasks.spawn(recorder.run(), name="events")
        await tasks.start(informers.run, name="informers")
        await tasks.start(controllers.run, name="controllers")
        tasks.spawn(scheduler.run(), name="scheduler")

    async def _start_node(self, tasks: Scope, runtime: CriRuntime) -> None:
        node = self.config.node
        client = self.client(f"system:node:{node.node_name}", "system:nodes", MASTERS)
        recorder = Recorder(client, self.decisions, "kubelet", node.node_name)
        tasks.spawn(recorder.run(), name="node events")
        agent = NodeAgent(client, runtime, node, recorder, self.barrier)
        self._server.backend.nodes = agent.connector
        await tasks.start(agent.run, name="node agent")


async def _wait(work: Awaitable[object]) -> None:
    await work
