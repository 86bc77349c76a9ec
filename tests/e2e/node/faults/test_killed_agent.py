"""An agent that is killed at a point of a pod's life: the next one brings the pod to where it should be, and leaves nothing twice."""

import asyncio
import sys
from pathlib import Path

import pytest

from pilothouse.aio.child import Child
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.host import cgroups
from pilothouse.engine.node.images.archive import busybox_archive, load_archive
from pilothouse.engine.node.runtime.cri import CriRuntime
from tests.e2e.node.conftest import Machine
from tests.e2e.node.faults.agent_at_point import ABSENT
from tests.e2e.node.pods import Cluster, container, is_ready
from tests.e2e.node.session import session

pytestmark = pytest.mark.containers

REPOSITORY = Path(__file__).parents[4]
OFTEN = [("StartContainer", "during"), ("StopContainer", "before")]
MORE = [
    ("PullImage", "before"),
    ("RunPodSandbox", "during"),
    ("RunPodSandbox", "after"),
    ("CreateContainer", "after"),
    ("StartContainer", "after"),
    ("StopContainer", "after"),
    ("StopPodSandbox", "after"),
]
"""Left to scripts/test-all."""
POINTS = [
    *(pytest.param(*point, id=" ".join(reversed(point))) for point in OFTEN),
    *(pytest.param(*point, id=" ".join(reversed(point)), marks=pytest.mark.slow) for point in MORE),
]


async def _killed_at(machine: Machine, folder: Path, verb: str, when: str, name: str) -> None:
    log, config = folder / "log", machine.config
    arguments = [str(config.home), config.addresses[0], str(folder), verb, when, name]
    command = [sys.executable, "-m", "tests.e2e.node.faults.agent_at_point", *arguments]
    async with await Child.start(command, log=log, cwd=REPOSITORY) as child:
        async with asyncio.timeout(50):
            while "here\n" not in log.read_text():
                assert child.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        await child.kill()


@pytest.mark.parametrize(("verb", "when"), POINTS)
async def test_a_pod_goes_on_after_its_agent_was_killed(machine: Machine, tmp_path: Path, verb: str, when: str) -> None:
    name = f"at-{verb.lower()}-{when}"
    await _killed_at(machine, tmp_path, verb, when, name)
    if verb == "PullImage":
        archive = tmp_path / "image.tar"
        busybox_archive(archive, ABSENT)
        await load_archive(machine.containerd.socket, archive)
    runtime = CriRuntime(machine.containerd.socket)

    async def after(cluster: Cluster) -> None:
        if verb.startswith("Stop"):
            await cluster.gone(name)
        else:
            found = await cluster.until(name, is_ready)
            # containerd gives up a start whose client is no more: that container has ended, as for upstream's kubelet.
            assert container(found)["restartCount"] in ((0, 1) if (verb, when) == ("StartContainer", "during") else (0,))
            assert len([each for each in await runtime.sandboxes() if each.uid == found["metadata"]["uid"] and each.ready]) == 1
            await cluster.delete(name, 1)
        async with asyncio.timeout(20):
            while await left(machine, runtime):
                await asyncio.sleep(0.05)

    await session(machine, tmp_path, after)
    await runtime.close()


async def left(machine: Machine, runtime: CriRuntime) -> list[str]:
    """What is there although no pod is."""
    found = [each.id for each in [*await runtime.sandboxes(), *await runtime.containers()]]
    found += [each for each in mounts_below(machine.config.pods_dir) if each]
    return [*found, *cgroups.pods(machine.config.instance)]
