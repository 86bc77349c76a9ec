"""A life of API server and agent on state that outlasts it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import AUTHENTICATED, MASTERS, User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.cri import CriRuntime
from pilothouse.engine.store.store import Store
from pilothouse.model.kinds import CONFIGMAPS, SERVICEACCOUNTS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster


async def session(machine: Machine, folder: Path, during: Callable[[Cluster], Awaitable[None]]) -> None:
    settings = Settings(state=folder / "api", ca="a certificate")
    async with Store.open(folder / "store.db") as store, ApiServer.open(store, settings) as server:
        client = Client(InProcessTransport(server, User("system:node:n1", ("system:nodes", MASTERS, AUTHENTICATED))))
        runtime = CriRuntime(machine.containerd.socket)
        recorder, barrier = Recorder(client, None, "kubelet", "n1"), EndpointBarrier()
        agent = NodeAgent(client, runtime, machine.config, recorder, barrier)
        server.backend.nodes = agent.connector
        async with scope() as tasks:
            tasks.spawn(recorder.run())
            await tasks.start(agent.run)
            admin = Client(InProcessTransport(server, User("admin", (MASTERS, AUTHENTICATED))))
            await during(Cluster(admin, agent, barrier, machine.config))
            tasks.cancel()
        await runtime.close()


async def first_objects(cluster: Cluster) -> None:
    """What controllers make in a whole cluster."""
    await cluster.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
    root = {"metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "a certificate"}}
    await cluster.client.create(CONFIGMAPS, root)
