"""A node in one process: container runtime, agent, and the server that the API server asks.

It is a client of the API server like any other, over HTTPS and with an identity of its own. The pod network is not the engine's:
whoever runs the node runs that beside it.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import structlog

from pilothouse.aio.clock import SystemClock
from pilothouse.aio.supervisor import Supervisor
from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.decisions.log import DecisionLog
from pilothouse.engine.boot.certificates import keep_certificates
from pilothouse.engine.csi.serving import WORD as DRIVERS
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.csi.answering import DriverAnswers
from pilothouse.engine.node.files.kubelet_root import open_root
from pilothouse.engine.node.images.archive import load_archive, pause_archive
from pilothouse.engine.node.kubelet.api import KubeletApi
from pilothouse.engine.node.kubelet.callers import Callers
from pilothouse.engine.node.kubelet.configuration import configuration
from pilothouse.engine.node.kubelet.listener import Listening
from pilothouse.engine.node.local_volumes import serving
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.engine.node.runtime.containerd import Containerd
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.streams.server import NodeServer, Served
from pilothouse.model.networks import families_of

log = structlog.get_logger("node")

LOOK_S = 0.2
RUNTIME, AGENT, SERVER, KUBELET = "container runtime", "node agent", "node server", "kubelet API"


class Node:
    """client: signed in as system:node:NAME. decisions, barrier: shared with the network of this process. socket: of the node's server.

    listening: for the kubelet API. served: who answers there under a word of its own, which the engine does not know.
    """

    def __init__(
        self,
        client: Client,
        config: NodeConfig,
        decisions: DecisionLog,
        barrier: EndpointBarrier,
        supervisor: Supervisor,
        socket: Path,
        listening: Listening,
        served: Mapping[str, Served] | None = None,
    ) -> None:
        self.client = client
        self.config = config
        self.decisions = decisions
        self.barrier = barrier
        self.supervisor = supervisor
        self.socket = socket
        self.volumes = LocalVolumes(config)
        self.snapshots = LocalSnapshots(self.volumes)
        self.drivers = DriverAnswers()
        own: dict[str, Served] = {serving.WORD: partial(serving.answer, self.volumes, self.snapshots), DRIVERS: self.drivers.answer}
        self.server = NodeServer(own)
        self.listening = listening
        self.kubelet = KubeletApi(Callers(client, config.node_name), configuration(config, listening), {**(served or {}), **own})
        self._containerd = Containerd(config)

    async def start(self, noted: Callable[[str], None]) -> None:
        """Returns when the agent has begun to register the node; its readiness is the component's (`AGENT`)."""
        self.supervisor.start(SERVER, self._serve)
        self.supervisor.start(KUBELET, self._serve_kubelet)
        await self.supervisor.persist(RUNTIME, self._open_runtime)
        noted(RUNTIME)
        self.supervisor.start("containerd", self._keep_containerd)
        self.supervisor.start(AGENT, self._run_agent)

    async def _open_runtime(self) -> None:
        """containerd, ours, running and with the sandbox image."""
        node = self.config
        await asyncio.to_thread(open_root, node)
        await self._containerd.end_outdated()
        await self._containerd.start()
        runtime = CriRuntime(self._containerd.socket)
        try:
            if await runtime.image(node.sandbox_image) is None:
                archive = node.home / "pause.tar"
                await asyncio.to_thread(pause_archive, archive, node.sandbox_image)
                await load_archive(self._containerd.socket, archive)
        finally:
            await runtime.close()

    async def _keep_containerd(self, ready: asyncio.Event) -> None:
        ready.set()
        await self._containerd.keep_running()

    async def _serve(self, ready: asyncio.Event) -> None:
        async with await self.server.listen(self.socket):
            ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                await self.snapshots.close()
                await self.volumes.close()

    async def _serve_kubelet(self, ready: asyncio.Event) -> None:
        """The control plane renews the certificate: it is loaded again from time to time."""
        while not all(file.exists() for file in self.listening.certificate):  # noqa: ASYNC110 - files that another part makes
            await asyncio.sleep(LOOK_S)
        context = self.listening.context()
        async with await self.listening.serve(self.kubelet.handle, context), scope() as tasks:
            ready.set()
            tasks.spawn(keep_certificates(_nothing_due, context, self.listening.certificate, SystemClock()), name="kubelet certificate")

    async def _run_agent(self, ready: asyncio.Event) -> None:
        """A fresh agent, which finds in the runtime what an earlier one has started."""
        runtime = CriRuntime(self._containerd.socket, families_of(self.config.addresses))
        recorder = Recorder(self.client, self.decisions, "kubelet", self.config.node_name)
        agent = NodeAgent(self.client, runtime, self.config, recorder, self.barrier, local_volumes=self.volumes)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(runtime.close)
            tasks = await stack.enter_async_context(scope())
            tasks.spawn(recorder.run(), name="node events")
            self.server.pods, self.kubelet.host, self.drivers.drivers = agent, agent.view, agent.storage.registered
            try:
                await agent.run(ready)
            finally:
                self.server.pods = self.kubelet.host = self.drivers.drivers = None
                tasks.cancel()


async def _nothing_due() -> bool:
    return False
