"""Volumes on a real disk, each test with its own folder; nothing stays mounted or attached afterwards, whatever a test does."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.local_volumes import image, loops, works
from pilothouse.engine.node.local_volumes.freezing import thaw_left
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.model.errors import Conflict

NAMES = [f"pvc-{digit * 8}-2222-3333-4444-555555555555" for digit in "123"]
SNAPSHOT = "snapshot-11111111-2222-3333-4444-555555555555"
MIB = 1 << 20
WAIT_S = works.WAIT_S
needs_loops = pytest.mark.skipif(bool(image.missing()), reason=image.missing())


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a copy gets it, however slow the machine is."""
    monkeypatch.setattr(works, "WAIT_S", 60.0)


@pytest.fixture
def home() -> Iterator[Path]:
    """On a disk, where /tmp may be memory."""
    folder = Path(tempfile.mkdtemp(prefix="pht-volumes-", dir="/var/tmp"))
    yield folder
    volumes = NodeConfig(home=folder, node_name="n1", instance="x").volumes_dir
    thaw_left(volumes)
    for mounted in mounts_below(folder):
        unmount(mounted)
    for file in volumes.glob("*/image"):
        loops.detach(file)
    shutil.rmtree(folder)


async def removed(volumes: LocalVolumes, name: str) -> None:
    """Also while somebody else's mount namespace, of another test, still has what was mounted when that was made."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await volumes.remove(name)
            except Conflict:
                await asyncio.sleep(0.1)


@pytest.fixture
def config(home: Path) -> NodeConfig:
    return NodeConfig(home=home, node_name="n1", instance="pilothouse-test")


@pytest.fixture
async def local(config: NodeConfig) -> AsyncIterator[LocalVolumes]:
    volumes = LocalVolumes(config)
    yield volumes
    await volumes.close()


@pytest.fixture
async def snapshots(local: LocalVolumes) -> AsyncIterator[LocalSnapshots]:
    taking = LocalSnapshots(local)
    yield taking
    await taking.close()
