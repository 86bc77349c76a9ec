"""Volumes that are made at once: none waits for another, and no room is given away twice."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import copying, extents, image
from pilothouse.engine.node.local_volumes.room import Room
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Wanted
from pilothouse.model.errors import InsufficientStorage
from tests.engine.node.local_volumes.conftest import MIB, NAMES, needs_loops


@needs_loops
async def test_one_that_takes_long_holds_up_no_other_and_no_lock_is_kept(local: LocalVolumes, monkeypatch: pytest.MonkeyPatch) -> None:
    make, released = image.make, asyncio.Event()

    async def slow(file: Path, size_bytes: int) -> None:
        if file.parent.name == NAMES[0]:
            await released.wait()
        await make(file, size_bytes)

    monkeypatch.setattr(image, "make", slow)
    first = asyncio.ensure_future(local.ensure(NAMES[0], Wanted(16 * MIB)))
    await local.ensure(NAMES[1], Wanted(16 * MIB))
    assert not first.done()
    released.set()
    await first
    del first
    assert len(local._locks) == 0


def test_room_is_promised_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        f_bavail, f_frsize, f_blocks = 100, MIB, 100

    monkeypatch.setattr("os.statvfs", lambda folder: Disk)
    room = Room(tmp_path)
    with room.held("one", 60 * MIB):
        with pytest.raises(InsufficientStorage, match="60 MiB are more than the 35 MiB"), room.held("two", 60 * MIB):
            pass
        room.hold("one", 90 * MIB)
        room.hold("one", 10 * MIB)
        with pytest.raises(InsufficientStorage), room.held("two", 6 * MIB):
            pass
    with room.held("two", 95 * MIB):
        pass


def test_what_is_shared_with_a_copy_stays_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To write it over takes new room."""

    class Disk:
        f_bavail, f_frsize, f_blocks = 100, MIB, 100

    image = tmp_path / NAMES[0] / "image"
    image.parent.mkdir()
    image.write_bytes(b"x" * 40 * MIB)
    monkeypatch.setattr("os.statvfs", lambda folder: Disk)
    monkeypatch.setattr(extents, "can_share", lambda folder: True)
    monkeypatch.setattr(extents, "shared_bytes", lambda file: 30 * MIB)
    room = Room(tmp_path)
    with pytest.raises(InsufficientStorage, match="66 MiB are more than the 65 MiB"):
        room.hold("two", 66 * MIB)
    room.hold("two", 65 * MIB)


def test_a_disk_is_asked_what_it_can_share(home: Path) -> None:
    one, two = home / "one", home / "two"
    one.write_bytes(os.urandom(4 * MIB))
    with one.open("rb") as source, two.open("w+b") as target:
        is_shared = copying.share(source.fileno(), target.fileno())
    assert extents.can_share(home) is is_shared
    assert extents.shared_bytes(one) == (4 * MIB if is_shared else 0)
    assert sorted(each.name for each in home.iterdir()) == ["one", "two"]


async def test_room_is_looked_for_in_a_thread_and_given_back_when_nobody_wants_it_any_more(tmp_path: Path) -> None:
    local = LocalVolumes(NodeConfig(home=tmp_path, node_name="n1", instance="pilothouse-test"), missing=lambda: "")
    begun, over = threading.Event(), threading.Event()

    def look(name: str) -> int:
        begun.set()
        assert over.wait(20), "the event loop waits for the disk"
        return 1 << 40

    local.room._free = look  # type: ignore[method-assign]
    making = asyncio.ensure_future(local.ensure(NAMES[0], Wanted(16 * MIB)))
    while not begun.is_set():
        await asyncio.sleep(0.01)
    making.cancel()
    await asyncio.sleep(0.01)
    over.set()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert local.room._held == {}
