"""A containerd, a shim or a container's first process that is killed at a point of a pod's life."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from pilothouse.aio.process import run
from pilothouse.engine.node import teardown
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.faults.points import AtPoint
from tests.e2e.node.faults.test_killed_agent import left
from tests.e2e.node.pods import Cluster, container, is_ready, pod, shell
from tests.e2e.node.session import first_objects, session

pytestmark = pytest.mark.containers

RECOVERS_S = 45.0
OFTEN = [("CreateContainer", "during"), ("StopContainer", "during")]
MORE = [
    ("RunPodSandbox", "during"),
    ("RunPodSandbox", "after"),
    ("CreateContainer", "after"),
    ("StartContainer", "during"),
    ("StopPodSandbox", "during"),
    ("RemovePodSandbox", "during"),
]
"""Left to scripts/test-all."""
POINTS = [
    *(pytest.param(*point, id=" ".join(reversed(point))) for point in OFTEN),
    *(pytest.param(*point, id=" ".join(reversed(point)), marks=pytest.mark.slow) for point in MORE),
]


async def _containerd_killed(machine: Machine) -> None:
    identity = machine.containerd.running()
    assert identity is not None
    identity.signal(signal.SIGKILL)
    async with asyncio.timeout(25):
        while machine.containerd.running() is not None:
            await asyncio.sleep(0.005)
    assert await machine.containerd.start()


@pytest.fixture(autouse=True)
async def containerd_runs(machine: Machine) -> AsyncIterator[None]:
    """Also after a test that has failed between its end and its start."""
    yield
    await machine.containerd.start()


async def _left(machine: Machine, runtime: CriRuntime) -> list[str]:
    try:
        return await left(machine, runtime)
    except RuntimeFailure as error:
        return [str(error)]


async def _nothing_left(machine: Machine) -> None:
    runtime = CriRuntime(machine.containerd.socket)
    try:
        async with asyncio.timeout(RECOVERS_S):
            while rest := await _left(machine, runtime):
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"left: {rest}") from None
    finally:
        await runtime.close()


@pytest.mark.parametrize(("verb", "when"), POINTS)
@pytest.mark.timeout(150)
async def test_a_pod_comes_and_goes_though_containerd_is_killed(machine: Machine, tmp_path: Path, verb: str, when: str) -> None:
    async def during(cluster: Cluster) -> None:
        await first_objects(cluster)
        await cluster.create(pod("p"))
        await cluster.until("p", is_ready, RECOVERS_S)
        await cluster.delete("p", 1, RECOVERS_S)
        await _nothing_left(machine)

    await session(machine, tmp_path, during, partial(AtPoint, verb=verb, when=when, deed=partial(_containerd_killed, machine)))


async def _task_pid(machine: Machine, id: str) -> int:
    said = (await run(["ctr", "-a", str(machine.containerd.socket), "-n", "k8s.io", "task", "ls"])).stdout.decode()
    return next(int(line.split()[1]) for line in said.splitlines() if line.startswith(id))


async def _kill_shim(machine: Machine, found: Object) -> None:
    (shim,) = await asyncio.to_thread(teardown.shims, machine.containerd.socket)
    shim.signal(signal.SIGKILL)


async def _kill_first_process(machine: Machine, found: Object) -> None:
    await run(["kill", "-9", str(await _task_pid(machine, container(found)["containerID"].removeprefix("containerd://")))])


async def _kill_sandbox(machine: Machine, found: Object) -> None:
    runtime = CriRuntime(machine.containerd.socket)
    (box,) = [each for each in await runtime.sandboxes() if each.uid == found["metadata"]["uid"]]
    await runtime.close()
    await run(["kill", "-9", str(await _task_pid(machine, box.id))])


@pytest.mark.parametrize(
    ("deed", "codes"),
    [
        pytest.param(_kill_shim, {137, 255}, id="its shim"),  # What containerd says when nobody saw the end is 255.
        pytest.param(_kill_first_process, {137}, id="its first process"),
        pytest.param(_kill_sandbox, {0}, id="its sandbox"),  # Its container is told to end.
    ],
)
async def test_a_pod_runs_again_after_a_part_of_it_was_killed(
    machine: Machine, cluster: Cluster, deed: Callable[[Machine, Object], Awaitable[None]], codes: set[int]
) -> None:
    before = await cluster.run(pod("hurt"))
    await deed(machine, before)
    after = await cluster.until("hurt", lambda found: is_ready(found) and container(found)["restartCount"] == 1, RECOVERS_S)
    assert container(after)["containerID"] != container(before)["containerID"]
    assert container(after)["lastState"]["terminated"]["exitCode"] in codes
    assert (await cluster.shell("hurt", "echo well"))[0] == "well\n"
    await cluster.delete("hurt", 1)
    await _nothing_left(machine)


async def test_a_pod_whose_shim_is_killed_while_it_ends_ends(machine: Machine, cluster: Cluster) -> None:
    found = await cluster.run(pod("leaving", shell("trap '' TERM; while :; do sleep 0.1; done")))
    await cluster.client.delete(PODS, "leaving", "default", grace_s=30)
    await cluster.said("leaving", "Killing")
    await _kill_shim(machine, found)
    await cluster.gone("leaving", 15)
    await _nothing_left(machine)


async def test_a_container_killed_in_its_hook_is_started_again(machine: Machine, cluster: Cluster) -> None:
    """The hook ends with it, and runs anew in the next one."""
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "[ -e /v/second ] && exit 0; touch /v/second; sleep 1000"]}}}
    mounts = [{"name": "v", "mountPath": "/v"}]
    wanted = pod("hooked", shell(lifecycle=hook, volumeMounts=mounts), volumes=[{"name": "v", "emptyDir": {}}])
    await cluster.create(wanted)
    await cluster.said("hooked", "Started")
    found = await cluster.until("hooked", lambda found: bool(container(found).get("containerID")))
    began = machine.config.pod_dir(found["metadata"]["uid"]) / "volumes" / "kubernetes.io~empty-dir" / "v" / "second"
    async with asyncio.timeout(25):
        while not began.exists():
            await asyncio.sleep(0.05)
    await _kill_first_process(machine, found)
    await cluster.until("hooked", lambda found: is_ready(found) and container(found)["restartCount"] == 1, RECOVERS_S)
