"""An agent that is killed while a driver stages, publishes or lets go of a volume, and while volumes of the node are mounted: the next one
goes on from there, no data is lost, and nothing stays mounted.
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse.aio.child import Child
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.local_volumes import loops
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Wanted
from pilothouse.engine.node.runtime.cri import CriRuntime
from tests.csi_driver.faults import Fault, Faults
from tests.csi_driver.pod import REPOSITORY, command
from tests.csi_driver.store import Store, Volume
from tests.e2e.node.conftest import Machine
from tests.e2e.node.faults.agent_with_volumes import NAME
from tests.e2e.node.faults.test_killed_agent import left
from tests.e2e.node.pods import Cluster, is_ready
from tests.e2e.node.session import session

pytestmark = pytest.mark.containers

POINTS = ["", "NodeStageVolume", "NodePublishVolume", "NodeUnpublishVolume", "NodeUnstageVolume"]
"""Of the driver's methods the one that is under way when the agent is killed; "": none is, and the pod runs."""


@asynccontextmanager
async def driver(machine: Machine, root: Path, log: Path) -> AsyncIterator[Store]:
    """In a process of the machine, which outlives the agent."""
    words = command(root, machine.config.kubelet_dir)
    async with await Child.start(list(words), log=log, cwd=REPOSITORY) as child:
        yield Store(root)
        await child.kill()


async def until(holds: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(40):
        while not holds():
            await asyncio.sleep(0.05)
    assert holds(), what


async def killed(machine: Machine, folder: Path, root: Path, volume: str, method: str) -> None:
    faults, log, config = Faults(root / "faults"), folder / "log", machine.config
    if method:
        faults.set(method, Fault(hang_s=2.0, times=1))
    verb = "delete" if method.startswith("NodeUn") else "stay"
    arguments = [str(config.home), config.addresses[0], str(folder), volume, verb]
    process = [sys.executable, "-m", "tests.e2e.node.faults.agent_with_volumes", *arguments]
    async with await Child.start(process, log=log, cwd=REPOSITORY) as child:
        if method:
            await until(lambda: not (root / "faults" / method).exists(), f"{method} is asked for: {log.read_text()}")
        else:
            await until(lambda: "runs\n" in log.read_text(), f"the pod runs: {log.read_text()}")
        await child.kill()


@pytest.mark.parametrize("method", [pytest.param(each, marks=[pytest.mark.slow] if "Un" not in each and each else []) for each in POINTS])
async def test_volumes_outlive_their_agent(machine: Machine, tmp_path: Path, method: str) -> None:
    root, volume, local = tmp_path / "driver", f"pvc-{uuid.uuid4()}", LocalVolumes(machine.config)
    if why := local.trouble():
        pytest.skip(why)
    await local.ensure(volume, Wanted(16 << 20))
    runtime = CriRuntime(machine.containerd.socket)
    async with driver(machine, root, tmp_path / "driver.log") as store:
        store.write(Volume("vol-1"))
        await killed(machine, tmp_path, root, volume, method)

        async def after(cluster: Cluster) -> None:
            if not method.startswith("NodeUn"):
                await cluster.until(NAME, is_ready, 40)
                assert (await cluster.shell(NAME, "cat /remote/file /here/file"))[0] == "remote\nhere\n"
                await cluster.delete(NAME, 1)
            await cluster.gone(NAME, 40)
            # A volume that was left staged is let go of by the next round that looks for what nobody has.
            await cluster.agent.storage.volumes.tidy()
            async with asyncio.timeout(20):
                while await left(machine, runtime) or mounts_below(machine.config.plugins_dir):
                    await asyncio.sleep(0.05)

        await session(machine, tmp_path, after)
        found = store.volume("vol-1")
        assert (found.staged, found.published) == ({}, {})
        assert (store.data("vol-1") / "file").read_text() == "remote\n"
    await runtime.close()
    folder = machine.config.volumes_dir / volume
    await local.remove(volume)
    assert not folder.exists()
    assert not loops.devices(folder / "image")
