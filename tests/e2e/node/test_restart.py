"""The agent's own end: its containers go on, the next agent takes them over as they are."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.aio.child import Child
from pilothouse.aio.process import run
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.host.cgroups import folder_of, pod_parent
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.model.errors import ApiError
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, pod
from tests.e2e.node.session import session

pytestmark = pytest.mark.containers

REPOSITORY = Path(__file__).parents[3]


async def _killed_agent(machine: Machine, folder: Path, *names: str) -> dict[str, tuple[str, str]]:
    """Runs pods under an agent in another process and kills that; returns container ids and addresses."""
    log = folder / "log"
    config = machine.config
    command = [sys.executable, "-m", "tests.e2e.node.agent_process", str(config.home), config.addresses[0], str(folder), *names]
    async with await Child.start(command, log=log, cwd=REPOSITORY) as child:
        async with asyncio.timeout(40):
            while "\nall\n" not in log.read_text():
                assert child.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        await child.kill()
    words = [line.split() for line in log.read_text().splitlines()]
    return {line[0]: (line[1], line[2]) for line in words if line[0] in names}


async def test_containers_survive_the_death_of_their_agent_unchanged(machine: Machine, tmp_path: Path) -> None:
    before = await _killed_agent(machine, tmp_path, "kept", "dies", "gone")
    runtime = CriRuntime(machine.containerd.socket)
    await runtime.stop_container(before["dies"][0].removeprefix("containerd://"), 0)
    await runtime.close()

    async def after(cluster: Cluster) -> None:
        dead = await cluster.until("dies", lambda found: container(found)["restartCount"] == 1)
        assert container(dead)["lastState"]["terminated"]["exitCode"] == 137
        found = await cluster.client.get(PODS, "kept", "default")
        status = container(found)
        assert (status["containerID"], found["status"]["podIP"]) == before["kept"]
        assert (status["restartCount"], status["ready"]) == (0, True)
        assert await cluster.shell("kept", "touch /part/x; ls /part") == ("x\n", 0)
        for name in before:
            await cluster.delete(name)
        assert mounts_below(machine.config.pods_dir) == []

    await session(machine, tmp_path, after)


async def test_a_pod_with_users_and_images_of_its_own_is_taken_over_as_well(machine: Machine, tmp_path: Path) -> None:
    before = await _killed_agent(machine, tmp_path, "own")
    runtime = CriRuntime(machine.containerd.socket)
    await runtime.stop_container(before["own"][0].removeprefix("containerd://"), 0)
    await runtime.close()

    async def after(cluster: Cluster) -> None:
        await cluster.until("own", lambda found: container(found)["restartCount"] == 1 and container(found)["ready"])
        async with asyncio.timeout(25):
            while len((now := await cluster.logs("own")).splitlines()) < 2:
                await asyncio.sleep(0.05)
        assert now == await cluster.logs("own", previous=True)
        assert int(now.split()[1]) >= 1 << 30
        assert now.splitlines()[1] == "/image/bin/busybox"
        await cluster.delete("own")
        async with asyncio.timeout(25):
            while mounts_below(machine.config.pods_dir):
                await asyncio.sleep(0.05)

    await session(machine, tmp_path, after)


async def test_what_lost_its_object_meanwhile_is_removed(machine: Machine, tmp_path: Path) -> None:
    before = await _killed_agent(machine, tmp_path, "orphan")
    (tmp_path / "other").mkdir()
    runtime = CriRuntime(machine.containerd.socket)

    async def after(cluster: Cluster) -> None:
        id = before["orphan"][0].removeprefix("containerd://")
        async with asyncio.timeout(20):
            while any(each.id == id for each in await runtime.containers()):
                await asyncio.sleep(0.05)

    await session(machine, tmp_path / "other", after)
    await runtime.close()


async def test_containerd_may_be_killed_and_started_again(machine: Machine, cluster: Cluster) -> None:
    found = await cluster.run(pod("steady"))
    identity = machine.containerd.running()
    assert identity is not None
    identity.signal(signal.SIGKILL)
    async with asyncio.timeout(25):
        while machine.containerd.running() is not None:
            await asyncio.sleep(0.01)
    assert await machine.containerd.start()
    said, code = "", 1
    async with asyncio.timeout(20):
        while code != 0:
            try:
                said, code = await cluster.shell("steady", "echo alive")
            except (ApiError, ExceptionGroup):
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
    folder = folder_of(pod_parent(machine.config.instance, found["metadata"]["uid"]))
    assert f"/{folder}/" in Path(f"/proc/{pid}/cgroup").read_text()


async def test_what_runs_in_a_pod_that_the_runtime_has_lost_is_ended(machine: Machine, tmp_path: Path) -> None:
    instance = machine.config.instance
    folder = cgroups.hierarchies()[0] / folder_of(pod_parent(instance, "lost"))
    folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "1000"]) as stray:
        (folder / "cgroup.procs").write_text(str(stray.pid))

        async def after(cluster: Cluster) -> None:
            async with asyncio.timeout(20):
                while stray.poll() is None or "lost" in cgroups.pods(instance):
                    await asyncio.sleep(0.05)

        await session(machine, tmp_path, after)
        assert stray.returncode == -signal.SIGKILL
