"""File systems in files that grow while nobody uses them: what is cut off on the way, and who else has the file."""

import asyncio
import fcntl
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilothouse.aio.process import ProcessFailed, ProcessTimeout
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import unmount
from pilothouse.engine.node.local_volumes import image, loops
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Made, Wanted
from pilothouse.model.errors import Unavailable
from tests.engine.node.local_volumes.conftest import needs_loops
from tests.engine.node.local_volumes.killed import refused

MIB = 1 << 20
SYSTEM = os.defpath + ":/usr/sbin:/sbin"
RESIZE = shutil.which("resize2fs", path=SYSTEM)
NAME = "pvc-11111111-2222-3333-4444-555555555555"

pytestmark = pytest.mark.skipif(RESIZE is None, reason="e2fsprogs is not installed")


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """A file system that is smaller than its file."""
    made = tmp_path / "image"
    await image.make(made, 16 * MIB)
    os.truncate(made, 64 * MIB)
    return made


def is_sound(file: Path) -> bool:
    check = subprocess.run(["e2fsck", "-f", "-n", file], env={"PATH": SYSTEM}, capture_output=True, check=False)
    return check.returncode == 0


async def test_growth_that_was_cut_off_goes_on(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dies = tmp_path / "bin" / "resize2fs"
    dies.parent.mkdir()
    # The kernel kills it where it writes beyond the first 32 MiB.
    dies.write_text(f'#!/bin/sh\nulimit -c 0\nulimit -f 65536\nexec {RESIZE} "$@"\n')
    dies.chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{dies.parent}:{path}")
    with pytest.raises(ProcessFailed):
        await image.grow_idle(file)
    assert not is_sound(file)
    monkeypatch.setenv("PATH", path)
    await image.grow_idle(file)
    assert is_sound(file)
    assert [each.name for each in tmp_path.glob("image*")] == ["image"]


async def test_a_program_that_has_outlived_its_agent_has_the_file_alone(file: Path) -> None:
    with file.open("rb") as outlived:
        fcntl.flock(outlived, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await image.grow_idle(file)


@pytest.fixture
async def unmounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalVolumes]:
    """Volumes of which none is really mounted, on a machine whose kernel grows no file system that is."""

    async def attach(file: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)

    monkeypatch.setattr(image, "attach", attach)
    monkeypatch.setattr(image, "grow_mounted", refused)
    monkeypatch.setattr(image, "can_grow_mounted", lambda: False)
    volumes = LocalVolumes(NodeConfig(home=tmp_path, node_name="n1", instance="pilothouse-test"), missing=lambda: "")
    yield volumes
    await volumes.close()


async def test_a_file_system_that_a_container_still_has_is_not_changed_under_it(
    unmounted: LocalVolumes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = unmounted
    await local.ensure(NAME, Wanted(16 * MIB))
    device = tmp_path / "block" / "loop9" / "loop"
    device.mkdir(parents=True)
    (device / "backing_file").write_text(f"{(local.folder / NAME / 'image').resolve()}\n")
    monkeypatch.setattr(loops, "_BLOCK_DEVICES", tmp_path / "block")
    monkeypatch.setattr(loops, "_DEVICES", tmp_path / "dev")
    held = await local.ensure(NAME, Wanted(64 * MIB))
    assert isinstance(held, Made)
    assert (held.is_pending, held.size_bytes) == (True, 16 * MIB)
    (device / "backing_file").unlink()
    grown = await local.ensure(NAME, Wanted(64 * MIB))
    assert isinstance(grown, Made)
    assert (grown.is_pending, grown.size_bytes) == (False, 64 * MIB)


async def test_a_check_that_takes_long_goes_on_though_nobody_waits_and_is_done_once(
    unmounted: LocalVolumes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks, done = [], asyncio.Event()
    grow_idle = image.grow_idle

    async def slow(file: Path) -> None:
        checks.append(file)
        await done.wait()
        await grow_idle(file)

    await unmounted.ensure(NAME, Wanted(16 * MIB))
    monkeypatch.setattr(image, "grow_idle", slow)
    monkeypatch.setattr(unmounted._growth._works, "_wait_s", 0.05)
    for call in (unmounted.ensure(NAME, Wanted(64 * MIB)), unmounted.mount(NAME), unmounted.mount(NAME)):
        with pytest.raises(Unavailable, match="is being checked and made larger"):
            await call
    monkeypatch.setattr(unmounted._growth._works, "_wait_s", 20.0)
    done.set()
    await unmounted.mount(NAME)
    assert len(checks) == 1
    assert is_sound(unmounted.folder / NAME / "image")
    grown = await unmounted.ensure(NAME, Wanted(64 * MIB))
    assert isinstance(grown, Made)
    assert (grown.is_pending, grown.size_bytes) == (False, 64 * MIB)


@needs_loops
async def test_a_volume_is_mounted_before_it_grows_and_stays_so_when_that_takes_too_long(
    local: LocalVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_long(file: Path, point: Path) -> None:
        assert (local.folder / NAME / "mount").is_mount()
        raise ProcessTimeout("resize2fs was killed after 120 s")

    first = await local.ensure(NAME, Wanted(16 * MIB))
    assert isinstance(first, Made)
    (first.path / "file").write_text("kept")
    unmount(local.folder / NAME / "mount")
    monkeypatch.setattr(image, "grow_mounted", too_long)
    monkeypatch.setattr(image, "can_grow_mounted", lambda: True)
    held = await local.ensure(NAME, Wanted(64 * MIB))
    assert isinstance(held, Made)
    assert (held.is_pending, held.size_bytes) == (True, 16 * MIB)
    assert (await local.mount(NAME) / "file").read_text() == "kept"


@needs_loops
async def test_a_volume_that_this_machine_cannot_grow_while_it_is_mounted_is_not_mounted_before(
    local: LocalVolumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers that begin then would have it, too, and it could not be grown."""
    grow_idle, attach, steps = image.grow_idle, image.attach, []

    async def growing(file: Path) -> None:
        steps.append("grow")
        await grow_idle(file)

    async def attaching(file: Path, target: Path) -> None:
        steps.append("attach")
        await attach(file, target)

    await local.ensure(NAME, Wanted(16 * MIB))
    unmount(local.folder / NAME / "mount")
    async with asyncio.timeout(30):
        while loops.devices(local.folder / NAME / "image"):
            await asyncio.sleep(0.1)
    monkeypatch.setattr(image, "grow_idle", growing)
    monkeypatch.setattr(image, "attach", attaching)
    monkeypatch.setattr(image, "can_grow_mounted", lambda: False)
    grown = await local.ensure(NAME, Wanted(64 * MIB))
    assert isinstance(grown, Made)
    assert (grown.size_bytes, steps) == (64 * MIB, ["grow", "attach"])
