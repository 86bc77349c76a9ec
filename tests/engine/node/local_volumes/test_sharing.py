"""On a disk that shares the content of files a copy takes no time and no room, and a block volume is copied while a pod has it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import extents, loops, room
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots, Taken
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Made, Wanted
from tests.engine.node.local_volumes.conftest import MIB, NAMES, SNAPSHOT, needs_loops, removed

MKFS = shutil.which("mkfs.xfs", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
pytestmark = [needs_loops, pytest.mark.skipif(MKFS is None, reason="xfsprogs is not installed")]


@pytest.fixture
def shared(home: Path) -> NodeConfig:
    """Of a node whose folder lies on such a disk; the fixture `home` unmounts it."""
    assert MKFS is not None
    disk, point = home / "disk", home / "mnt"
    with disk.open("wb") as file:
        file.truncate(1 << 30)
    subprocess.run([MKFS, "-q", "-m", "reflink=1", disk], check=True)
    point.mkdir()
    subprocess.run(["mount", "-o", "loop", disk, point], check=True)
    return NodeConfig(home=point, node_name="n1", instance="pilothouse-test")


async def test_a_device_that_is_in_use_is_copied_as_it_is_in_one_moment(shared: NodeConfig) -> None:
    volumes = LocalVolumes(shared)
    made = await volumes.ensure(NAMES[0], Wanted(64 * MIB, "Block"))
    assert isinstance(made, Made)
    device = loops.attach(made.path)
    try:
        device.write_bytes(b"now!" * (4 * MIB))
        before = os.statvfs(shared.home).f_bavail
        taken = await LocalSnapshots(volumes).ensure(SNAPSHOT, NAMES[0])
        assert isinstance(taken, Taken)
        room = (before - os.statvfs(shared.home).f_bavail) * os.statvfs(shared.home).f_frsize
        assert room < 20 * MIB, "what the device had not written back, and nothing for the copy"
        device.write_bytes(b"then" * (4 * MIB))
    finally:
        loops.detach(made.path)
    copy = (shared.volumes_dir / SNAPSHOT / "content").read_bytes()
    assert (copy[:4], copy[16 * MIB - 4 : 16 * MIB]) == (b"now!", b"now!")


async def test_a_file_system_is_shared_with_its_snapshot_and_its_clone(shared: NodeConfig) -> None:
    volumes = LocalVolumes(shared)
    made = await volumes.ensure(NAMES[0], Wanted(64 * MIB))
    assert isinstance(made, Made)
    (made.path / "file").write_bytes(os.urandom(32 * MIB))
    os.sync()
    before = os.statvfs(shared.home).f_bavail
    await LocalSnapshots(volumes).ensure(SNAPSHOT, NAMES[0])
    clone = await volumes.ensure(NAMES[1], Wanted(64 * MIB, source=NAMES[0]))
    assert isinstance(clone, Made)
    assert (clone.path / "file").read_bytes() == (made.path / "file").read_bytes()
    assert (before - os.statvfs(shared.home).f_bavail) * os.statvfs(shared.home).f_frsize < 16 * MIB
    # What is shared may be written over by each, and is promised for that.
    for name in NAMES[:2]:
        image = shared.volumes_dir / name / "image"
        assert extents.shared_bytes(image) >= 32 * MIB
        assert room._promised(image, can_share=True) > 56 * MIB
    for name in NAMES[:2]:
        await removed(volumes, name)
