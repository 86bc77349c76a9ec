"""File systems in files that grow while nobody uses them: what is cut off on the way, and who else has the file."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pilothouse.aio.process import ProcessFailed, ProcessTimeout
from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import image, loops
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Made, Wanted

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


async def test_a_program_that_has_outlived_its_agent_has_the_file_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image.call, "__kwdefaults__", {"timeout_s": 0.2})
    with file.open("rb") as outlived:
        fcntl.flock(outlived, fcntl.LOCK_EX)
        with pytest.raises(ProcessTimeout):
            await image.grow_idle(file)


async def test_a_file_system_that_a_container_still_has_is_not_changed_under_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def attach(file: Path, target: Path) -> None:
        target.mkdir(exist_ok=True)

    monkeypatch.setattr(image, "attach", attach)
    local = LocalVolumes(NodeConfig(home=tmp_path, node_name="n1", instance="pilothouse-test"), missing=lambda: "")
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
