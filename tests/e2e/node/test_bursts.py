"""Output that a container writes in its last moments arrives whole: in its log, at whoever is attached, and as its last words."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.engine.node.housekeeping.rotation import set_aside
from pilothouse.engine.node.runtime.cri import CriRuntime
from pilothouse.engine.node.runtime.seam import RuntimeFailure
from pilothouse.model.kinds import PODS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = [pytest.mark.containers, pytest.mark.timeout(120)]
TIMES, OFTEN = 20, 6
LINES = 60_000
EVERYTHING = "y\n" * LINES
PREPARE = f"yes | head -n {LINES} >/tmp/x"
BURST = "dd if=/tmp/x bs=65536 2>/dev/null; exit 7"
"""Short lines cost the runtime most: what it has not read when the container ends is many milliseconds' work."""


@pytest.mark.parametrize("number", [*range(OFTEN), *(pytest.param(each, marks=pytest.mark.slow) for each in range(OFTEN, TIMES))])
async def test_the_log_of_a_container_that_ends_amid_a_burst_is_whole(cluster: Cluster, number: int) -> None:
    found = await cluster.finish(pod("burst", shell(f"{PREPARE}; {BURST}"), restartPolicy="Never"))
    assert container(found)["state"]["terminated"]["exitCode"] == 7
    assert await cluster.logs("burst") == EVERYTHING


@pytest.mark.slow
async def test_a_log_that_is_followed_is_whole(cluster: Cluster) -> None:
    for number in range(TIMES):
        name = f"follow-{number}"
        await cluster.create(pod(name, shell(f"{PREPARE}; sleep 0.3; {BURST}"), restartPolicy="Never"))
        await cluster.until(name, lambda found: found["status"]["phase"] == "Running")
        assert await cluster.logs(name, follow=True) == EVERYTHING


@pytest.mark.slow
async def test_whoever_is_attached_gets_everything_and_the_log_does_too(cluster: Cluster) -> None:
    for number in range(TIMES):
        name = f"attached-{number}"
        await cluster.run(pod(name, shell(f"{PREPARE}; read line; {BURST}", stdin=True, stdinOnce=True), restartPolicy="Never"))
        async with asyncio.timeout(20):
            assert (await _attached(cluster, name, pause_s=0.0)).decode() == EVERYTHING
        found = await cluster.until(name, lambda found: found["status"]["phase"] == "Failed")
        assert container(found)["state"]["terminated"]["exitCode"] == 7
        assert await cluster.logs(name) == EVERYTHING


async def test_whoever_reads_slowly_gets_everything(cluster: Cluster) -> None:
    """The container has ended long before its output is read."""
    await cluster.run(pod("slow", shell(f"{PREPARE}; read line; {BURST}", stdin=True, stdinOnce=True), restartPolicy="Never"))
    async with asyncio.timeout(20):
        assert (await _attached(cluster, "slow", pause_s=1.0)).decode() == EVERYTHING


async def _attached(cluster: Cluster, name: str, *, pause_s: float) -> bytes:
    found = await cluster.client.get(PODS, name, "default")
    session = await cluster.agent.connector.attach(found, "main", stdin=True, stdout=True, stderr=True, tty=False)
    await session.write(b"go\n")
    await asyncio.sleep(pause_s)
    said = b"".join([data async for data in session.stdout()])
    await session.close()
    return said


@pytest.mark.slow
async def test_standard_error_is_whole_beside_standard_output(cluster: Cluster) -> None:
    both = "dd if=/tmp/x bs=65536 2>/dev/null & dd if=/tmp/x bs=65536 >&2 2>/dev/null; wait"
    for number in range(TIMES):
        name = f"both-{number}"
        await cluster.finish(pod(name, shell(f"{PREPARE}; {both}"), restartPolicy="Never"))
        assert await cluster.logs(name) == EVERYTHING * 2


@pytest.mark.slow
async def test_the_log_of_an_init_container_is_whole_although_the_next_one_starts_at_once(cluster: Cluster) -> None:
    first = shell(f"{PREPARE}; dd if=/tmp/x bs=65536 2>/dev/null", name="first")
    for number in range(TIMES):
        name = f"init-{number}"
        await cluster.finish(pod(name, shell("true"), initContainers=[first], restartPolicy="Never"))
        assert await cluster.logs(name, container="first") == EVERYTHING


@pytest.mark.slow
async def test_the_last_words_of_a_failure_are_the_end_of_its_log(cluster: Cluster) -> None:
    spoken = shell(f"{PREPARE}; echo the cause >>/tmp/x; {BURST}", terminationMessagePolicy="FallbackToLogsOnError")
    for number in range(TIMES):
        found = await cluster.finish(pod(f"words-{number}", spoken, restartPolicy="Never"))
        message = container(found)["state"]["terminated"]["message"]
        assert message == "y\n" * 79 + "the cause\n"


@pytest.mark.slow
async def test_a_log_that_is_rotated_amid_a_burst_is_whole(cluster: Cluster, machine: Machine) -> None:
    """The file would grow to 45 MB, and is looked at all the time."""
    files = 0
    for number in range(5):
        name = f"turned-{number}"
        await cluster.create(pod(name, shell(f"yes | head -n {20 * LINES} >/tmp/x; sleep 0.3; {BURST}"), restartPolicy="Never"))
        found = await cluster.until(name, lambda found: found["status"]["phase"] == "Running")
        folder = cluster.config.pod_logs("default", name, found["metadata"]["uid"]) / "main"
        async with scope() as tasks:
            tasks.spawn(_keep_rotating(machine, folder / "0.log", container(found)["containerID"].removeprefix("containerd://")))
            await cluster.until(name, lambda found: found["status"]["phase"] == "Failed")
            tasks.cancel()
        assert await cluster.logs(name) == EVERYTHING * 20
        files += len(list(folder.iterdir()))
    assert files > 5


async def _keep_rotating(machine: Machine, path: Path, id: str) -> None:
    runtime = CriRuntime(machine.containerd.socket)
    while True:
        if await asyncio.to_thread(set_aside, path, machine.config.log_max_bytes, 100):
            with contextlib.suppress(RuntimeFailure):  # the container has ended meanwhile
                await runtime.reopen_log(id)
        await asyncio.sleep(0.005)
