"""A life of API server and agent on state that outlasts it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.store.store import Store
from pilothouse.model.kinds import CONFIGMAPS, SERVICEACCOUNTS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster
from tests.people import ADMIN, client_of, node


async def session(
    machine: Machine,
    folder: Path,
    during: Callable[[Cluster], Awaitable[None]],
    connect: Callable[[Path], CriRuntime] = CriRuntime,
) -> None:
    """connect: how the agent reaches its runtime, given the socket."""
    settings = Settings(state=folder / "api", ca="a certificate", allowed_sysctls=("kernel.msg*", "fs.mqueue.*"))
    async with Store.open(folder / "store.db") as store, ApiServer.open(store, settings) as server:
        client = client_of(server, node("n1"))
        runtime = connect(machine.containerd.socket)
        recorder, barrier = Recorder(client, None, "kubelet", "n1"), EndpointBarrier()
        agent = NodeAgent(client, runtime, machine.config, recorder, barrier)
        server.backend.nodes = agent.connector
        async with scope() as tasks:
            tasks.spawn(recorder.run())
            await tasks.start(agent.run)
            await during(Cluster(client_of(server, ADMIN), agent, barrier, machine.config, server))
            tasks.cancel()
        await runtime.close()


async def first_objects(cluster: Cluster) -> None:
    """What controllers make in a whole cluster."""
    await cluster.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
    root = {"metadata": {"name": "kube-root-ca.crt", "namespace": "default"}, "data": {"ca.crt": "a certificate"}}
    await cluster.client.create(CONFIGMAPS, root)
