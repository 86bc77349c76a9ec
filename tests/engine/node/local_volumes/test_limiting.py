"""Limits of volumes' I/O in real cgroups: of pods that run, of containers that start, and after an agent that was killed."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.beneath import FOLDER, opened
from pilothouse.engine.node.files.mountpoints import bind
from pilothouse.engine.node.host import cgroups, io_limits
from pilothouse.engine.node.local_volumes import layout, limiting, loops, users
from pilothouse.engine.node.local_volumes.layout import image_of
from pilothouse.engine.node.local_volumes.store import LocalVolumes
from pilothouse.model.errors import BadRequest, NotFound
from pilothouse.model.io_limits import IoLimits
from tests.engine.node.local_volumes.conftest import MIB, NAMES, needs_loops
from tests.engine.node.local_volumes.test_snapshots import made

FIRST, SECOND, _ = NAMES
POD, CONTAINER = "0f0f0f0f-1111-2222-3333-444444444444", "c" * 64
LIMITS = IoLimits(500, 2 * MIB)

pytestmark = [needs_loops, pytest.mark.skipif(cgroups.is_v2() or bool(io_limits.trouble()), reason="looks at version 1 cgroups")]


@pytest.fixture
def pod(config: NodeConfig) -> Iterator[Path]:
    """The folder of a pod with one container; its cgroup is gone afterwards."""
    parent = cgroups.pod_parent(config.instance, POD)
    io_limits.prepare(parent, CONTAINER)
    yield config.pod_dir(POD)
    cgroups.clear(cgroups.instance_parent(config.instance))


def use(pod: Path, name: str, data: Path) -> None:
    folder = pod / "volumes" / users.KIND / name
    folder.mkdir(parents=True)
    with opened(os.open(data, FOLDER)) as root:
        bind(root, folder)


def written(config: NodeConfig, container: str = CONTAINER, name: str = "write_bps") -> dict[str, str]:
    """What the kernel says: device -> limit."""
    folder = cgroups.ROOT / "blkio" / cgroups.folder_of(cgroups.pod_parent(config.instance, POD)) / container
    lines = (folder / f"blkio.throttle.{name}_device").read_text().splitlines()
    return dict(line.split() for line in lines)  # type: ignore[misc]


def device(path: Path) -> str:
    found = os.stat(path).st_dev
    return f"{os.major(found)}:{os.minor(found)}"


async def test_a_pod_that_runs_gets_the_limits_of_its_volume_and_those_of_no_other(
    local: LocalVolumes, config: NodeConfig, pod: Path
) -> None:
    first, second = await made(local, FIRST), await made(local, SECOND)
    use(pod, "data", first.path)
    await local.limit(SECOND, LIMITS)
    assert written(config) == {}
    await local.limit(FIRST, LIMITS)
    assert written(config) == {device(first.path): str(2 * MIB)}
    assert written(config, name="read_iops") == {device(first.path): "500"}
    await local.limit(FIRST, IoLimits(500, 0))
    assert written(config) == {}
    assert device(second.path) not in written(config, name="read_iops")


async def test_writes_that_are_waited_for_are_as_fast_as_the_limit_says(local: LocalVolumes, config: NodeConfig, pod: Path) -> None:
    first = await made(local, FIRST, 32 * MIB)
    use(pod, "data", first.path)
    await local.limit(FIRST, LIMITS)
    group = cgroups.ROOT / "blkio" / cgroups.folder_of(cgroups.pod_parent(config.instance, POD)) / CONTAINER
    for how in ("oflag=direct", "conv=fsync"):
        writes = f"echo $$ > {group}/cgroup.procs; exec dd if=/dev/zero of={pod}/volumes/{users.KIND}/data/file bs=1M count=6 {how}"
        begun = time.monotonic()
        subprocess.run(["sh", "-c", writes], check=True, capture_output=True)
        assert 2.0 < time.monotonic() - begun < 10.0, how


async def test_a_container_starts_with_what_an_agent_that_is_gone_has_noted(local: LocalVolumes, config: NodeConfig, pod: Path) -> None:
    first = await made(local, FIRST)
    await local.limit(FIRST, LIMITS)
    use(pod, "data", first.path)
    limiting.begin(config, POD, "d" * 64)
    assert written(config, "d" * 64) == {device(first.path): str(2 * MIB)}


async def test_the_device_of_a_block_volume_is_limited_under_its_pod(local: LocalVolumes, config: NodeConfig, pod: Path) -> None:
    await made(local, FIRST, mode="Block")
    file = image_of(local.folder / FIRST)
    users.link(users.link_of(pod, users.KIND, "data"), file)
    held = os.stat(loops.attach(file)).st_rdev
    await local.limit(FIRST, LIMITS)
    assert written(config) == {f"{os.major(held)}:{os.minor(held)}": str(2 * MIB)}
    loops.detach(file)


async def test_a_pod_without_limited_volumes_gets_no_cgroup_of_io(local: LocalVolumes, config: NodeConfig, pod: Path) -> None:
    use(pod, "data", (await made(local, FIRST)).path)
    limiting.begin(config, POD, "e" * 64)
    assert not (cgroups.ROOT / "blkio" / cgroups.folder_of(cgroups.pod_parent(config.instance, POD)) / ("e" * 64)).exists()


async def test_what_cannot_be_limited_is_refused_and_nothing_is_noted(
    local: LocalVolumes, config: NodeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match="is not on this node"):
        await local.limit(FIRST, LIMITS)
    await made(local, FIRST)
    monkeypatch.setattr(io_limits, "trouble", lambda: "its kernel has no controller")
    with pytest.raises(BadRequest, match="node n1 cannot limit the I/O of volumes: its kernel has no controller"):
        await local.limit(FIRST, LIMITS)
    assert layout.noted_limits(local.folder / FIRST) is None
