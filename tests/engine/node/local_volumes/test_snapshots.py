"""Snapshots, volumes made of them and of one another, block volumes; and what is left when an agent is killed on the way."""

import asyncio
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import unmount
from pilothouse.engine.node.local_volumes import copier, copying, freezing, loops, users
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots, Taken
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Made, Wanted
from pilothouse.model.errors import BadRequest, Conflict, InsufficientStorage, Internal, NotFound
from tests.engine.node.local_volumes.conftest import MIB, NAMES, SNAPSHOT, needs_loops, removed

pytestmark = needs_loops
FIRST, SECOND, THIRD = NAMES


async def made(local: LocalVolumes, name: str, size_bytes: int = 16 * MIB, mode: str = "Filesystem", source: str = "") -> Made:
    found = await local.ensure(name, Wanted(size_bytes, mode, source))
    assert isinstance(found, Made)
    return found


async def taken(snapshots: LocalSnapshots, volume: str = FIRST, name: str = SNAPSHOT) -> Taken:
    found = await snapshots.ensure(name, volume)
    assert isinstance(found, Taken)
    return found


_writers: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def writers() -> Iterator[None]:
    yield
    while _writers:
        _writers.pop().wait(20)


def is_frozen(point: Path) -> bool:
    """A write waits for as long as it is, and its process cannot even be killed meanwhile."""
    writer = subprocess.Popen(["touch", point / "probe"])
    try:
        writer.wait(0.5)
    except subprocess.TimeoutExpired:
        _writers.append(writer)
        return True
    return False


async def test_a_snapshot_stays_as_it_was_and_a_larger_volume_is_made_of_it(local: LocalVolumes, snapshots: LocalSnapshots) -> None:
    first = await made(local, FIRST)
    (first.path / "file").write_text("before")
    found = await taken(snapshots)
    assert (found.size_bytes, found.mode, found.volume) == (16 * MIB, "Filesystem", FIRST)
    (first.path / "file").write_text("after")
    assert await taken(snapshots) == found, "it is taken once"
    second = await made(local, SECOND, 64 * MIB, source=SNAPSHOT)
    assert (second.path / "file").read_text() == "before"
    assert second.size_bytes == 64 * MIB
    assert os.statvfs(second.path).f_blocks * os.statvfs(second.path).f_frsize > 48 * MIB
    await removed(local, FIRST)
    await snapshots.remove(SNAPSHOT)
    await snapshots.remove(SNAPSHOT)
    assert sorted(each.name for each in local.folder.iterdir()) == [SECOND]
    assert (second.path / "file").read_text() == "before"


async def test_a_clone_has_what_the_volume_has_and_goes_its_own_way(local: LocalVolumes) -> None:
    first = await made(local, FIRST)
    (first.path / "file").write_text("shared")
    second = await made(local, SECOND, source=FIRST)
    assert (second.path / "file").read_text() == "shared"
    (second.path / "file").write_text("own")
    assert (first.path / "file").read_text() == "shared"
    assert await local.unconfirmed() == [FIRST, SECOND]
    await local.confirm(SECOND)
    assert await local.unconfirmed() == [FIRST]


async def test_what_is_written_while_a_snapshot_is_taken_is_in_it_as_a_whole_or_not_at_all(
    local: LocalVolumes, snapshots: LocalSnapshots
) -> None:
    """Two files that are always written one after the other: the second is never ahead."""
    first = await made(local, FIRST, 64 * MIB)
    (first.path / "ballast").write_bytes(os.urandom(24 * MIB))
    script = 'i=0; while [ ! -e "$1/stop" ]; do i=$((i+1)); echo $i > "$1/a.new"; sync "$1/a.new"; mv "$1/a.new" "$1/a"; '
    script += 'sync "$1"; echo $i > "$1/b.new"; sync "$1/b.new"; mv "$1/b.new" "$1/b"; sync "$1"; done'
    writer = subprocess.Popen(["sh", "-c", script, "sh", first.path], stderr=subprocess.DEVNULL)
    try:
        while not (first.path / "b").exists():
            await asyncio.sleep(0.01)
        await taken(snapshots)
    finally:
        (first.path / "stop").touch()
        assert writer.wait(10) == 0
    second = await made(local, SECOND, 64 * MIB, source=SNAPSHOT)
    a, b = (int((second.path / name).read_text()) for name in ("a", "b"))
    assert 0 <= a - b <= 1
    assert (second.path / "ballast").read_bytes() == (first.path / "ballast").read_bytes()
    await removed(local, SECOND)
    check = subprocess.run(["/sbin/e2fsck", "-f", "-n", local.folder / SNAPSHOT / "content"], capture_output=True, check=False)
    assert check.returncode in (0, 1), check.stdout


async def test_a_copy_that_fails_leaves_the_volume_thawed_and_nothing_half_made(
    local: LocalVolumes, snapshots: LocalSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(source: int, target: int, progress: Progress) -> None:
        assert is_frozen(local.folder / FIRST / "mount")
        raise OSError(28, "No space left on device")

    first = await made(local, FIRST)
    monkeypatch.setattr(copying, "mend", fails)
    with pytest.raises(Internal, match="No space left on device"):
        await taken(snapshots)
    assert not is_frozen(first.path)
    assert sorted(each.name for each in local.folder.iterdir()) == [FIRST]
    assert not (local.folder / FIRST / "frozen").exists()


@pytest.fixture
def used(home: Path) -> Path:
    """Where a pod has a volume, once it is bound there; the fixture `home` unmounts it."""
    point = home / "pod"
    point.mkdir()
    return point


async def test_a_copy_that_takes_too_long_while_nothing_may_be_written_is_refused(
    local: LocalVolumes, snapshots: LocalSnapshots, used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend = copying.mend

    def slow(source: int, target: int, progress: Progress) -> int:
        progress.stop.wait(2)
        return mend(source, target, progress)

    first = await made(local, FIRST)
    bind(first.path, used)
    monkeypatch.setattr(copying, "mend", slow)
    monkeypatch.setattr(freezing, "MOST_S", 1)
    with pytest.raises(Internal, match="could not be held still"):
        await taken(snapshots)
    assert not is_frozen(first.path)
    with pytest.raises(NotFound):
        await snapshots.look(SNAPSHOT)


async def test_pods_that_would_wait_too_long_for_a_copy_never_do_and_it_is_not_tried_again_and_again(
    local: LocalVolumes, snapshots: LocalSnapshots, used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend, copy, keeper = copying.mend, copying.copy, freezing._keeper
    copies, frozen = [], []

    def slow(source: int, target: int, progress: Progress) -> int:
        progress.stop.wait(1.5)
        return mend(source, target, progress)

    def counted(source: int, target: int, progress: Progress) -> None:
        copies.append(source)
        copy(source, target, progress)

    async def froze(point: Path, mark: int, most_s: int) -> asyncio.subprocess.Process:
        frozen.append(most_s)
        return await keeper(point, mark, most_s)

    first = await made(local, FIRST)
    bind(first.path, used)
    monkeypatch.setattr(copying, "mend", slow)
    monkeypatch.setattr(copying, "copy", counted)
    monkeypatch.setattr(freezing, "_keeper", froze)
    monkeypatch.setattr(freezing, "MOST_S", 1)
    monkeypatch.setattr(copier, "SHORT_S", 0.0)
    for _ in range(3):
        with pytest.raises(Internal, match=r"would have to wait for longer than 1 s .* end its pods first"):
            await taken(snapshots)
    assert (len(copies), frozen) == (1, [])
    unmount(used)
    assert (await taken(snapshots)).volume == FIRST, "nobody waits: it may take as long as it does"
    assert frozen == [freezing.NO_LIMIT]


def bind(path: Path, target: Path) -> None:
    subprocess.run(["mount", "--bind", path, target], check=True)


async def test_an_agent_that_is_killed_leaves_no_file_system_frozen(local: LocalVolumes) -> None:
    """The keeper thaws when the pipe of the agent closes."""
    first = await made(local, FIRST)
    folder = local.folder / FIRST
    mark = freezing._claim(folder / "frozen")
    keeper = await freezing._keeper(folder / "mount", mark, 30)
    os.close(mark)
    assert is_frozen(first.path)
    # Whoever comes next waits until it has ended: it would thaw what the next one freezes.
    with pytest.raises(BlockingIOError), (folder / "frozen").open("r+") as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert keeper.stdin is not None
    keeper.stdin.close()  # As the kernel does it when the agent is killed.
    assert await keeper.wait() == 0
    assert not is_frozen(first.path)
    freezing.thaw_left(local.folder)
    assert not (folder / "frozen").exists()


async def test_a_new_agent_thaws_what_was_left_frozen_and_clears_away_what_was_half_copied(local: LocalVolumes, config: NodeConfig) -> None:
    first = await made(local, FIRST)
    folder = local.folder / FIRST
    subprocess.run(["/sbin/fsfreeze", "--freeze", folder / "mount"], check=True)
    (folder / "frozen").touch()
    half = local.folder / SNAPSHOT
    half.mkdir()
    (half / "content.new").write_bytes(b"half")
    (local.folder / SECOND).mkdir()
    (local.folder / SECOND / "image.new").write_bytes(b"half")
    again = LocalVolumes(config)
    await again.recover()
    assert not is_frozen(first.path)
    assert not half.exists()
    assert not (folder / "frozen").exists()
    assert not (local.folder / SECOND / "image.new").exists()
    await again.ensure(SECOND, Wanted(16 * MIB))


async def test_a_copy_goes_on_though_nobody_waits_and_is_found_again(
    local: LocalVolumes, snapshots: LocalSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.engine.node.local_volumes.works.WAIT_S", 0.0)
    await made(local, FIRST)
    found = await snapshots.ensure(SNAPSHOT, FIRST)
    assert isinstance(found, Progress)
    async with asyncio.timeout(20):
        while isinstance(found, Progress):
            await asyncio.sleep(0.02)
            found = await snapshots.ensure(SNAPSHOT, FIRST)
    assert found.volume == FIRST


async def test_a_snapshot_that_is_removed_while_it_is_taken_is_given_up(
    local: LocalVolumes, snapshots: LocalSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.engine.node.local_volumes.works.WAIT_S", 0.0)
    first = await made(local, FIRST)
    await snapshots.ensure(SNAPSHOT, FIRST)
    await snapshots.remove(SNAPSHOT)
    assert not (local.folder / SNAPSHOT).exists()
    assert not is_frozen(first.path)


async def test_room_for_a_copy_is_looked_for_before_anything_is_made(
    local: LocalVolumes, snapshots: LocalSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(local, FIRST)
    monkeypatch.setattr(local.room, "_free", lambda name: 0)
    with pytest.raises(InsufficientStorage):
        await taken(snapshots)
    with pytest.raises(InsufficientStorage):
        await made(local, SECOND, source=FIRST)
    assert sorted(each.name for each in local.folder.iterdir()) == [FIRST]


@pytest.mark.parametrize("name", ["..", "snapshot-1", FIRST, f"{SNAPSHOT}/..", f"{SNAPSHOT}\n"])
async def test_no_name_of_a_snapshot_leads_elsewhere(snapshots: LocalSnapshots, name: str) -> None:
    for call in (snapshots.ensure(name, FIRST), snapshots.look(name), snapshots.remove(name)):
        with pytest.raises(BadRequest):
            await call


async def test_what_is_not_there_cannot_be_copied(local: LocalVolumes, snapshots: LocalSnapshots) -> None:
    with pytest.raises(NotFound, match="is not on this node"):
        await taken(snapshots)
    with pytest.raises(NotFound, match="is not on this node"):
        await made(local, FIRST, source=SNAPSHOT)
    for elsewhere in ("../../etc", f"{SNAPSHOT}/..", f"{SECOND}\n"):
        with pytest.raises(BadRequest):
            await made(local, FIRST, source=elsewhere)


async def test_a_block_volume_is_copied_only_when_no_pod_has_it_and_grows_while_one_has(
    local: LocalVolumes, snapshots: LocalSnapshots, config: NodeConfig
) -> None:
    first = await made(local, FIRST, mode="Block")
    link = users.link_of(config.pod_dir("pod-uid"), "kind", "v")
    users.link(link, first.path)
    device = loops.attach(first.path)
    device.write_bytes(b"bare" * 1024)
    grown = await made(local, FIRST, 32 * MIB)
    assert grown.size_bytes == 32 * MIB
    assert int(Path("/sys/class/block", device.name, "size").read_text()) * 512 == 32 * MIB
    if not can_share(local.folder):
        with pytest.raises(Conflict, match="end the pod first"):
            await taken(snapshots)
    with pytest.raises(Conflict, match="in use by pod pod-uid"):
        await local.remove(FIRST)
    link.unlink()
    loops.detach(first.path)
    assert (await taken(snapshots)).mode == "Block"
    second = await made(local, SECOND, 32 * MIB, "Block", SNAPSHOT)
    assert second.path.read_bytes()[:4096] == b"bare" * 1024
    await removed(local, FIRST)
    assert not loops.devices(first.path)


def can_share(folder: Path) -> bool:
    with (folder / "one").open("w+b") as one, (folder / "two").open("w+b") as two:
        found = copying.share(one.fileno(), two.fileno())
    (folder / "one").unlink()
    (folder / "two").unlink()
    return found


async def test_nothing_is_frozen_where_nothing_is_mounted(local: LocalVolumes, home: Path) -> None:
    """The disk of the whole machine would be."""
    folder = home / "volumes" / FIRST
    (folder / "mount").mkdir(parents=True)
    with pytest.raises(freezing.NotStill, match="is not mounted"):
        async with freezing.frozen(folder, 1):
            pass
    assert not is_frozen(home)
    assert not (folder / "frozen").exists()


async def test_a_volume_is_neither_removed_nor_unmounted_while_it_is_still(
    local: LocalVolumes, snapshots: LocalSnapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    mend, held = copying.mend, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(source: int, target: int, progress: Progress) -> None:
        loop.call_soon_threadsafe(held.set)
        progress.stop.wait(0.5)
        mend(source, target, progress)

    await made(local, FIRST)
    monkeypatch.setattr(copying, "mend", slow)
    taking = asyncio.ensure_future(taken(snapshots))
    await held.wait()
    removing = asyncio.ensure_future(removed(local, FIRST))
    await asyncio.sleep(0.2)
    assert not removing.done()
    await taking
    await removing
    assert sorted(each.name for each in local.folder.iterdir()) == [SNAPSHOT]
    assert not loops.devices(local.folder / FIRST / "image")
