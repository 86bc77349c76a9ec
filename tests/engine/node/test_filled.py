"""Volumes that begin with what the image has: for the mounts that ask for it, once, and nothing is left mounted."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.runtime.seam import Image
from pilothouse.engine.node.volumes import filled
from pilothouse.engine.node.volumes.filled import VolumeFiller
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.model.json import Object
from tests.simulation.fake_runtime import FakeRuntime

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
IMAGE = Image("sha256:1", (), (), 1)


class OneLayer(FakeRuntime):
    """Every image is of one layer, a folder of the test. asked: the views that were made; dropped: those that were dropped."""

    layer = ""
    asked = 0
    dropped = 0

    async def view(self, image: str, key: str) -> tuple[str, ...]:
        self.asked += 1
        return (self.layer,)

    async def drop_view(self, key: str) -> None:
        self.dropped += 1


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[OneLayer]:
    made = OneLayer()
    made.layer = str(tmp_path / "layer")
    (tmp_path / "layer" / "srv").mkdir(parents=True)
    (tmp_path / "layer" / "srv" / "seed").write_text("of the image")
    (tmp_path / "volume").mkdir()
    yield made
    for mounted in mounts_below(tmp_path):
        unmount(mounted)


def pod(annotation: str = "v", **mount: object) -> Object:
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "annotations": {"pilothouse.io/volumes-from-image": annotation}},
        "spec": {
            "containers": [{"name": "c", "volumeMounts": [{"name": "v", "mountPath": "/srv", "subPath": "data", **mount}]}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}],
        },
    }


async def fill(runtime: OneLayer, tmp_path: Path, wanted: Object) -> list[str]:
    """What is in the volume afterwards."""
    config = NodeConfig(home=tmp_path / "node", node_name="n1", instance="pilothouse-test")
    filler = VolumeFiller(ImageViews(config, runtime))
    await filler.fill(wanted, wanted["spec"]["containers"][0], IMAGE, {"v": tmp_path / "volume"})
    assert not mounts_below(config.pods_dir)
    assert runtime.asked == runtime.dropped
    return sorted(os.listdir(tmp_path / "volume"))


async def test_a_new_part_begins_with_what_the_image_has_and_is_left_alone_from_then_on(runtime: OneLayer, tmp_path: Path) -> None:
    assert await fill(runtime, tmp_path, pod()) == ["data"]
    seed = tmp_path / "volume" / "data" / "seed"
    assert seed.read_text() == "of the image"
    seed.unlink()
    await fill(runtime, tmp_path, pod())
    assert not seed.exists()
    assert runtime.asked == 1


@pytest.mark.parametrize(
    "wanted",
    [pod(annotation=""), pod(annotation="other"), pod(readOnly=True), pod(subPath=""), pod(subPath="a/b"), pod(subPath="..")],
    ids=["not asked for", "another", "read-only", "the whole volume", "deeper", "outside"],
)
async def test_nothing_else_is_filled(runtime: OneLayer, tmp_path: Path, wanted: Object) -> None:
    assert await fill(runtime, tmp_path, wanted) == []
    assert runtime.asked == 0


async def test_only_volumes_of_claims_are_filled(runtime: OneLayer, tmp_path: Path) -> None:
    wanted = pod()
    wanted["spec"]["volumes"] = [{"name": "v", "hostPath": {"path": "/etc"}}]
    assert await fill(runtime, tmp_path, wanted) == []


async def test_what_does_not_fit_is_said_with_the_volume(runtime: OneLayer, tmp_path: Path) -> None:
    deep = tmp_path / "layer" / "srv"
    for _ in range(103):
        deep = deep / "d"
        deep.mkdir()
    with pytest.raises(ConfigMissing, match='volume "v" cannot be filled from the image: '):
        await fill(runtime, tmp_path, pod())
    assert os.listdir(tmp_path / "volume") == []
    assert not mounts_below(tmp_path)


async def test_a_volume_that_never_answers_holds_up_neither_the_agent_nor_other_pods(
    runtime: OneLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real, hung, other = threading.Event(), os.path.lexists, tmp_path / "hung", pod()
    monkeypatch.setattr(os.path, "lexists", lambda path: gate.wait(10.0) if path.is_relative_to(hung) else real(path))
    filler = VolumeFiller(ImageViews(NodeConfig(home=tmp_path / "node", node_name="n1", instance="i"), runtime), look_s=2.0)
    container = other["spec"]["containers"][0]
    waits = asyncio.ensure_future(filler.fill(pod(), container, IMAGE, {"v": hung}))
    try:
        await asyncio.sleep(0.05)
        assert not waits.done()
        await asyncio.wait_for(filler.fill(other, container, IMAGE, {"v": tmp_path / "volume"}), 20.0)
        assert os.listdir(tmp_path / "volume") == ["data"]
        with pytest.raises(ConfigMissing, match='volume "v" cannot be looked into: no answer within 2 s'):
            await waits
    finally:
        gate.set()


async def test_a_copy_that_is_stuck_holds_up_its_own_claim_alone(
    runtime: OneLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, stuck, real = threading.Event(), threading.Event(), filled.fill

    def hanging(root: int, path: str, volume: int, name: str, stop: threading.Event) -> bool:
        if name == "hangs":
            stuck.set()
            gate.wait(30.0)
        return real(root, path, volume, name, stop)

    monkeypatch.setattr(filled, "fill", hanging)
    monkeypatch.setattr(filled, "STOP_S", 0.1)
    filler = VolumeFiller(ImageViews(NodeConfig(home=tmp_path / "node", node_name="n1", instance="i"), runtime))
    volumes, first, same, other = {"v": tmp_path / "volume"}, pod(subPath="hangs"), pod(), pod()
    for number, each in enumerate((first, same, other)):
        each["metadata"]["uid"] = f"u{number}"
    other["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "other"
    (tmp_path / "others").mkdir()
    tasks = [asyncio.ensure_future(filler.fill(first, first["spec"]["containers"][0], IMAGE, volumes))]
    try:
        assert await asyncio.to_thread(stuck.wait, 10.0)
        tasks.append(asyncio.ensure_future(filler.fill(same, same["spec"]["containers"][0], IMAGE, volumes)))
        await asyncio.wait_for(filler.fill(other, other["spec"]["containers"][0], IMAGE, {"v": tmp_path / "others"}), 20.0)
        assert os.listdir(tmp_path / "others") == ["data"]
        # Its pod is deleted: that does not wait, and the claim is still busy.
        tasks[0].cancel()
        await asyncio.wait([tasks[0]], timeout=5.0)
        assert tasks[0].cancelled()
        assert not tasks[1].done()
    finally:
        gate.set()
    await asyncio.wait_for(tasks[1], 20.0)
    assert sorted(os.listdir(tmp_path / "volume")) == ["data"]
