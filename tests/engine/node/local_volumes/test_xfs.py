"""Volumes with XFS, on machines whose kernel grows no mounted ext4: they grow while they are used, and are copied like others."""

import os
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import image, layout, xfs
from pilothouse.engine.node.local_volumes.layout import image_of
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LOOP, LOOP_XFS, LocalVolumes, Made, Wanted
from pilothouse.model.volumes import BLOCK
from tests.engine.node.local_volumes.conftest import MIB, NAMES, SNAPSHOT, needs_loops
from tests.engine.node.local_volumes.killed import refused
from tests.engine.node.local_volumes.test_snapshots import made, taken

pytestmark = [needs_loops, pytest.mark.skipif(not xfs.is_usable(), reason="there is no XFS on this machine")]
FIRST, SECOND, _ = NAMES
SIZE, MORE = xfs.LEAST_BYTES, xfs.LEAST_BYTES + 100 * MIB


@pytest.fixture(autouse=True)
def without_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that lets nobody grow an ext4 while it is mounted."""
    monkeypatch.setattr(image, "can_grow_mounted", lambda: False)


def free_bytes(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


async def test_a_volume_grows_while_a_file_in_it_is_open(local: LocalVolumes) -> None:
    first = await made(local, FIRST, SIZE)
    assert (first.enforcement, first.is_pending) == (LOOP_XFS, False)
    before = free_bytes(first.path)
    with (first.path / "file").open("wb") as file:
        grown = await made(local, FIRST, MORE)
        file.write(b"kept")
    assert (grown.size_bytes, grown.is_pending) == (MORE, False)
    assert free_bytes(first.path) - before > 90 * MIB
    assert (first.path / "file").read_bytes() == b"kept"


async def test_what_is_smaller_than_an_xfs_may_be_stays_ext4(local: LocalVolumes) -> None:
    assert (await made(local, FIRST, 16 * MIB)).enforcement == LOOP


async def test_where_the_kernel_grows_a_mounted_ext4_volumes_stay_ext4(local: LocalVolumes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "can_grow_mounted", lambda: True)
    assert (await made(local, FIRST, SIZE)).enforcement == LOOP


async def test_a_block_volume_gets_no_file_system(local: LocalVolumes) -> None:
    found = await local.ensure(FIRST, Wanted(SIZE, BLOCK))
    assert isinstance(found, Made)
    assert not xfs.is_in(image_of(local.folder / FIRST))


async def test_a_copy_is_used_beside_its_source_and_is_as_large_as_was_asked(local: LocalVolumes, snapshots: LocalSnapshots) -> None:
    first = await made(local, FIRST, SIZE)
    (first.path / "file").write_bytes(b"kept" * 4096)
    await taken(snapshots)
    for name, source in ((SECOND, SNAPSHOT), (NAMES[2], FIRST)):
        copied = await made(local, name, MORE, source=source)
        assert (copied.enforcement, copied.size_bytes, copied.is_pending) == (LOOP_XFS, MORE, False)
        assert (copied.path / "file").read_bytes() == b"kept" * 4096
    await snapshots.remove(SNAPSHOT)


async def test_growth_that_fails_is_pending_and_is_tried_again(local: LocalVolumes, monkeypatch: pytest.MonkeyPatch) -> None:
    await made(local, FIRST, SIZE)
    with monkeypatch.context() as failing:
        failing.setattr(image, "grow_mounted", refused)
        held = await made(local, FIRST, MORE)
        assert (held.size_bytes, held.is_pending) == (SIZE, True)
    grown = await made(local, FIRST, MORE)
    assert (grown.size_bytes, grown.is_pending) == (MORE, False)


async def test_growth_that_was_done_and_not_noted_is_done_when_it_is_asked_for_again(
    local: LocalVolumes, config: NodeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await made(local, FIRST, SIZE)
    with monkeypatch.context() as ended:
        ended.setattr(layout, "note_size", killed)
        with pytest.raises(KeyboardInterrupt):
            await local.ensure(FIRST, Wanted(MORE))
    again = LocalVolumes(config)
    grown = await made(again, FIRST, MORE)
    assert (grown.size_bytes, grown.is_pending) == (MORE, False)
    assert free_bytes(first.path) > SIZE - 64 * MIB
    await again.close()


def killed(*words: object) -> None:
    """The agent ends here."""
    raise KeyboardInterrupt
