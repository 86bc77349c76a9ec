"""The agent's own end: its containers go on, the next agent takes them over as they are."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from pilothouse.aio.process import run
from pilothouse.aio.tasks import scope
from pilothouse.client.barrier import EndpointBarrier
from pilothouse.client.client import Client
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import AUTHENTICATED, MASTERS, User
from pilothouse.engine.apiserver.inprocess import InProcessTransport
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.apiserver.settings import Settings
from pilothouse.engine.node.agent import NodeAgent
from pilothouse.engine.node.cri import CriRuntime
from pilothouse.engine.store.store import Store
from pilothouse.model.kinds import PODS, SERVICEACCOUNTS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = pytest.mark.containers


async def _session(machine: Machine, folder: Path, during) -> None:  # type: ignore[no-untyped-def]
    """A life of API server and agent on the same state; ends abruptly as far as the runtime can tell."""
    async with Store.open(folder / "store.db") as store, ApiServer.open(store, Settings(state=folder / "api")) as server:
        client = Client(InProcessTransport(server, User("system:node:n1", ("system:nodes", MASTERS, AUTHENTICATED))))
        runtime = CriRuntime(machine.containerd.socket)
        barrier = EndpointBarrier()
        agent = NodeAgent(client, runtime, machine.config, Recorder(client, None, "kubelet"), barrier)
        server.backend.nodes = agent.connector
        async with scope() as tasks:
            await tasks.start(agent.run)
            await during(Cluster(client, agent, barrier, machine.config))
            tasks.cancel()
        await runtime.close()


async def test_a_new_agent_takes_over_what_runs(machine: Machine, tmp_path: Path) -> None:
    before: dict[str, object] = {}

    async def first(cluster: Cluster) -> None:
        await cluster.client.create(SERVICEACCOUNTS, {"metadata": {"name": "default", "namespace": "default"}})
        probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
        found = await cluster.run(pod("kept", shell(readinessProbe=probe)))
        before.update(container(found), ip=found["status"]["podIP"])
        await cluster.run(pod("dies", shell("while [ ! -e /tmp/die ]; do sleep 0.05; done; exit 9"), restartPolicy="Never"))

    async def second(cluster: Cluster) -> None:
        await asyncio.sleep(1.5)
        found = await cluster.client.get(PODS, "kept", "default")
        after = container(found)
        assert (after["containerID"], after["restartCount"], after["ready"]) == (before["containerID"], 0, True)
        assert found["status"]["podIP"] == before["ip"]
        dead = await cluster.until("dies", lambda pod: pod["status"]["phase"] == "Failed")
        assert container(dead)["state"]["terminated"]["exitCode"] == 137
        await cluster.delete("kept")
        await cluster.delete("dies")

    await _session(machine, tmp_path, first)
    runtime = CriRuntime(machine.containerd.socket)
    doomed = next(each for each in await runtime.containers() if each.name == "main" and each.id not in str(before["containerID"]))
    await runtime.stop_container(doomed.id, 0)
    await runtime.close()
    await _session(machine, tmp_path, second)


async def test_containerd_may_be_killed_and_started_again(machine: Machine, cluster: Cluster) -> None:
    found = await cluster.run(pod("steady"))
    identity = machine.containerd.running()
    assert identity is not None
    identity.signal(signal.SIGKILL)
    async with asyncio.timeout(10):
        while machine.containerd.running() is not None:
            await asyncio.sleep(0.01)
    assert await machine.containerd.start()
    said, code = "", 1
    async with asyncio.timeout(20):
        while code != 0:
            try:
                said, code = await cluster.shell("steady", "echo alive")
            except Exception:
                await asyncio.sleep(0.1)
    assert said == "alive\n"
    again = await cluster.client.get(PODS, "steady", "default")
    assert container(again)["containerID"] == container(found)["containerID"]
    await cluster.delete("steady")


async def test_a_second_start_adopts_the_running_containerd(machine: Machine) -> None:
    before = machine.containerd.running()
    assert not await machine.containerd.start()
    assert machine.containerd.running() == before


async def test_nothing_of_the_instance_is_outside_its_own_cgroup(machine: Machine, cluster: Cluster) -> None:
    found = await cluster.run(pod("grouped"))
    id = container(found)["containerID"].removeprefix("containerd://")
    said = (await run(["ctr", "-a", str(machine.containerd.socket), "-n", "k8s.io", "task", "ls"])).stdout.decode()
    pid = next(line.split()[1] for line in said.splitlines() if line.startswith(id))
    assert f"/{machine.config.instance}/pod{found['metadata']['uid']}/" in Path(f"/proc/{pid}/cgroup").read_text()
    assert os.path.exists(f"/proc/{pid}")
