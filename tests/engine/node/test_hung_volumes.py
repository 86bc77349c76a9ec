"""Volumes whose server is away: whoever looks after the node's pods does not wait for them, nor for the threads that do."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.local_volumes.users import KIND
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.pod.sources import Sources
from pilothouse.engine.node.stats.rooms import Rooms, no_drivers
from pilothouse.engine.node.stats.source import PodSource
from pilothouse.engine.node.volumes import volumes
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.engine.node.volumes.volumes import Volumes
from pilothouse.model.json import Object
from tests.engine.node.csi.world import persistent, pod, world
from tests.engine.node.hung import hung
from tests.simulation.fake_runtime import FakeRuntime

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
CLAIM: Object = {"name": "data", "persistentVolumeClaim": {"claimName": "c"}}


async def test_looking_for_what_is_mounted_does_not_wait(tmp_path: Path) -> None:
    with hung(tmp_path):
        found = await asyncio.wait_for(asyncio.to_thread(mounts_below, tmp_path), 5.0)
        assert found == [str(tmp_path)]


async def test_a_volume_of_a_driver_is_known_and_asked_for_without_a_look_at_it() -> None:
    async with world() as made:
        made.made()
        where = await made.mount(pod(), persistent())
        with hung(where):
            many = [made.volumes.published("uid-1", "data") for _ in range(12)]
            assert await asyncio.wait_for(asyncio.gather(*many), 5.0) == [where] * 12
            await asyncio.wait_for(made.volumes.rooms("uid-1"), 5.0)
            assert "NodeGetVolumeStats" in made.driver.asked()


async def test_figures_of_other_volumes_are_there_while_one_hangs(tmp_path: Path) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="i")
    folders = {uid: config.pod_dir(uid) / "volumes" / KIND / "data" for uid in ("stuck", "well")}
    for each in folders.values():
        each.mkdir(parents=True)
    pods = [PodSource(pod(uid, volumes=[CLAIM]), "", 0.0, ()) for uid in folders]
    rooms = Rooms(config, lambda: pods, no_drivers, lambda: 0.0, look_s=0.2)
    volumes.mount_memory(folders["well"], "size=1m")
    try:
        with hung(folders["stuck"]):
            for _ in range(3):
                await asyncio.wait_for(rooms.refresh(), 5.0)
            assert rooms.of("stuck") == ()
            assert [each.room.capacity_bytes for each in rooms.of("well")] == [1 << 20]
    finally:
        unmount(folders["well"])


async def test_containers_whose_volumes_do_not_answer_are_told_so_and_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, gate = NodeConfig(home=tmp_path, node_name="n", instance="i"), threading.Event()
    made = Volumes(config, Sources.__new__(Sources), ImageViews(config, FakeRuntime()))
    try:
        monkeypatch.setattr(volumes, "LOOK_S", 0.1)
        for _ in range(3):
            with pytest.raises(ConfigMissing, match="volumes cannot be mounted into the container: no answer within"):
                await made.looked_into(pod("stuck", volumes=[CLAIM]), lambda: gate.wait(10.0))
        assert [each.name for each in threading.enumerate()].count("stuck") == 1
        monkeypatch.setattr(volumes, "LOOK_S", 10.0)
        assert await made.looked_into(pod("other", volumes=[CLAIM]), lambda: "mounted") == "mounted"
        assert await made.looked_into(pod("plain"), lambda: "mounted") == "mounted"
    finally:
        gate.set()
