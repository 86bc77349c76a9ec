"""A pod's volumes together: each by itself, in memory where it matters, gone without a trace."""

import base64
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.files.mountpoints import is_mounted, mounts_below
from pilothouse.engine.node.pod.sources import Token
from pilothouse.engine.node.volumes import volumes as volumes_module
from pilothouse.engine.node.volumes.images import ImageViews
from pilothouse.engine.node.volumes.projection import Room
from pilothouse.engine.node.volumes.volumes import Volumes, empty_in_memory, empty_on_disk, memory_volume_bytes, unmount_and_remove
from pilothouse.model.errors import NotFound
from pilothouse.model.json import Object
from tests.engine.node.builders import pod, spec
from tests.simulation.fake_runtime import FakeRuntime

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
TOKEN = {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}]}}
CONFIG = {"name": "config", "configMap": {"name": "cm"}}


@dataclass
class Cluster:
    """Objects that pods refer to. life_s: of the tokens that it issues; 0: it refuses."""

    configmaps: dict[str, Object] = field(default_factory=dict)
    life_s: float = 3600
    issued: int = 0

    async def configmap(self, namespace: str, name: str) -> Object | None:
        return self.configmaps.get(name)

    async def secret(self, namespace: str, name: str) -> Object | None:
        return None

    def services(self, namespace: str) -> list[Object]:
        return []

    async def token(self, pod: Object, audience: str, seconds: int) -> Token:
        if not self.life_s:
            raise NotFound('serviceaccounts "default" not found')
        self.issued += 1
        return Token(f"token {self.issued}", time.time() - 10, time.time() + self.life_s)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster({"cm": {"data": {"a": "1"}}})


@pytest.fixture
async def volumes(tmp_path: Path, cluster: Cluster) -> AsyncIterator[Volumes]:
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test", own_folders={"/of/each": tmp_path / "own"})
    made = Volumes(config, cluster, ImageViews(config, FakeRuntime()))
    await made.open()
    yield made
    unmount_and_remove(tmp_path / "kubelet/pods")
    unmount_and_remove(tmp_path / "memory")


async def test_files_lie_in_memory(volumes: Volumes, tmp_path: Path) -> None:
    found = await volumes.prepare(pod(volumes=[CONFIG]), ())
    assert (found.paths["config"] / "a").read_text() == "1"
    assert found.paths["config"].is_relative_to(tmp_path / "memory")
    assert is_mounted(tmp_path / "memory")


async def test_the_logs_of_the_node_are_where_pods_look_for_them_from_the_agents_start_on(volumes: Volumes, tmp_path: Path) -> None:
    listed = [{"name": name, "hostPath": {"path": f"/var/log/{name}", "type": "Directory"}} for name in ("pods", "containers")]
    found = await volumes.prepare(pod(volumes=listed), ())
    assert (found.paths, found.failures) == ({name: tmp_path / "logs" / name for name in ("pods", "containers")}, [])


async def test_a_path_that_each_node_has_for_itself_is_the_nodes_own_folder(volumes: Volumes, tmp_path: Path) -> None:
    of_each, other = tmp_path / "own", tmp_path / "other"
    paths = {"own": "/of/each", "other": str(other)}
    listed = [{"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}} for name, path in paths.items()]
    assert (await volumes.prepare(pod(volumes=listed), ())).paths == {"own": of_each, "other": other}
    assert of_each.is_dir()


async def test_the_nodes_other_users_do_not_get_as_far_as_to_volumes(volumes: Volumes, tmp_path: Path) -> None:
    assert (tmp_path / "kubelet/pods").stat().st_mode & 0o777 == 0o750


async def test_without_memory_pods_wait_and_nothing_reaches_the_disk(
    volumes: Volumes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    unmount_and_remove(tmp_path / "memory")
    monkeypatch.setattr(volumes_module, "mount_memory", refused)
    await volumes.open()
    found = await volumes.prepare(pod(volumes=[CONFIG]), ())
    assert not found.is_complete
    assert "a tmpfs for files that must not touch the disk cannot be mounted: Operation not permitted" in found.failures[0]
    assert list((tmp_path / "memory").iterdir()) == []


async def test_one_that_is_missing_does_not_keep_the_others(volumes: Volumes) -> None:
    missing = {"name": "missing", "configMap": {"name": "none"}}
    found = await volumes.prepare(pod(volumes=[missing, TOKEN]), ())
    assert found.failures == ['MountVolume.SetUp failed for volume "missing" : configmap "none" not found']
    assert not found.is_complete
    assert (found.paths["token"] / "token").read_text() == "token 1"


async def test_a_token_is_renewed_although_a_configmap_is_gone(volumes: Volumes, cluster: Cluster) -> None:
    cluster.life_s = 1
    await volumes.prepare(pod(volumes=[CONFIG, TOKEN]), ())
    cluster.configmaps.clear()
    found = await volumes.prepare(pod(volumes=[CONFIG, TOKEN]), ())
    assert (found.paths["token"] / "token").read_text() == "token 2"
    assert found.is_complete
    assert (found.paths["config"] / "a").read_text() == "1"
    assert len(found.failures) == 1


async def test_a_token_that_cannot_be_renewed_is_asked_for_after_a_pause(volumes: Volumes, cluster: Cluster) -> None:
    cluster.life_s = 1
    await volumes.prepare(pod(volumes=[TOKEN]), ())
    cluster.life_s = 0
    found = await volumes.prepare(pod(volumes=[TOKEN]), ())
    assert (found.paths["token"] / "token").read_text() == "token 1"
    assert found.refresh_at > time.time() + 30


async def test_what_is_no_base64_fails_its_own_volume(volumes: Volumes, cluster: Cluster) -> None:
    cluster.configmaps["bad"] = {"binaryData": {"a": "abc"}}
    found = await volumes.prepare(pod(volumes=[{"name": "bad", "configMap": {"name": "bad"}}, CONFIG]), ())
    assert set(found.paths) == {"config"}


async def test_no_pod_fills_the_memory_of_all(volumes: Volumes, cluster: Cluster) -> None:
    cluster.configmaps["big"] = {"data": {"a": "x" * 1024**2}}
    items = [{"key": "a", "path": f"p{i}"} for i in range(65)]
    found = await volumes.prepare(pod(volumes=[{"name": "big", "configMap": {"name": "big", "items": items}}]), ())
    assert "take more than 64 MiB; mount fewer of them" in found.failures[0]


async def test_a_volume_that_does_not_fit_leaves_its_room_to_the_others(volumes: Volumes, cluster: Cluster) -> None:
    cluster.configmaps["big"] = {"data": {"a": "x" * 1024**2}}
    items = [{"key": "a", "path": f"p{i}"} for i in range(65)]
    big = {"name": "big", "configMap": {"name": "big", "items": items}}
    found = await volumes.prepare(pod(volumes=[big, CONFIG, TOKEN]), ())
    assert set(found.paths) == {"config", "token"}
    assert len(found.failures) == 1


async def test_the_work_for_volumes_ends_where_their_room_does(volumes: Volumes, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.configmaps["big"] = {"binaryData": {"a": base64.b64encode(b"x" * 1024**2).decode()}}
    decoded: list[str] = []
    made: list[int] = []
    decode, take = base64.b64decode, Room.take
    monkeypatch.setattr(base64, "b64decode", lambda text: decoded.append(text) or decode(text))
    monkeypatch.setattr(Room, "take", lambda room, size_bytes: made.append(size_bytes) or take(room, size_bytes))
    sources = [{"configMap": {"name": "big", "items": [{"key": "a", "path": f"p{i}"}]}} for i in range(1000)]
    found = await volumes.prepare(pod(volumes=[{"name": f"v{i}", "projected": {"sources": sources}} for i in range(50)]), ())
    assert len(found.failures) == 50
    assert len(decoded) == 1
    assert len(made) <= 65 * 10


async def test_many_small_files_take_a_page_each(volumes: Volumes, cluster: Cluster) -> None:
    cluster.configmaps["many"] = {"data": {f"k{i}": "" for i in range(1000)}}
    found = await volumes.prepare(pod(volumes=[{"name": f"v{i}", "configMap": {"name": "many"}} for i in range(17)]), ())
    assert [each.partition(" : ")[0] for each in found.failures] == ['MountVolume.SetUp failed for volume "v16"']


def test_an_empty_folder_appears_with_its_mode_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "v" / "..new-empty").mkdir(parents=True, mode=0o700)
    empty_on_disk(tmp_path / "v" / "empty", 4321)
    found = (tmp_path / "v" / "empty").stat()
    assert (found.st_gid, found.st_mode & 0o7777) == (4321, 0o2777)
    assert [each.name for each in (tmp_path / "v").iterdir()] == ["empty"]


def test_memory_is_memory_again_after_the_machine_was_restarted(tmp_path: Path) -> None:
    folder = tmp_path / "mem"
    folder.mkdir(mode=0o700)
    empty_in_memory(folder, 4321, 1024**2)
    try:
        found = folder.stat()
        assert (found.st_gid, found.st_mode & 0o7777) == (4321, 0o2777)
        assert os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize == 1024**2
    finally:
        unmount_and_remove(folder)


async def test_a_removed_pod_leaves_no_mount_and_no_file(volumes: Volumes, tmp_path: Path) -> None:
    memory = {"name": "mem", "emptyDir": {"medium": "Memory"}}
    await volumes.prepare(pod(volumes=[CONFIG, memory]), ())
    assert volumes.present() == {"u1"}
    await volumes.remove("u1")
    assert volumes.present() == set()
    assert mounts_below(tmp_path) == [str(tmp_path / "memory")]


LIMITED = {"resources": {"limits": {"memory": "64Mi"}}}


@pytest.mark.parametrize(
    ("wanted", "source", "mib"),
    [
        (pod(), {}, 512),
        (pod(), {"sizeLimit": "10Mi"}, 10),
        (pod(), {"sizeLimit": "1Gi"}, 512),
        (pod(spec(**LIMITED)), {}, 64),
        (pod(spec(**LIMITED)), {"sizeLimit": "10Mi"}, 10),
        (pod(spec(**LIMITED), spec("other", **LIMITED)), {}, 128),
        (pod(spec(**LIMITED), spec("free")), {}, 512),
        (pod(spec("free"), resources={"limits": {"memory": "32Mi"}}), {}, 32),
    ],
)
def test_a_volume_in_memory_grows_to_what_its_pod_and_the_node_have(wanted: Object, source: Object, mib: int) -> None:
    assert memory_volume_bytes(wanted, source, {"memory": "512Mi"}) == mib * 1024**2


class Held:
    """Stands for the volumes of drivers: at what moment they are let go of is what counts."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self.found: list[str] = []

    async def drop(self, uid: str) -> list[str]:
        self.found = mounts_below(self._config.pod_dir(uid) / "volume-subpaths")
        return ["it is busy"]


async def test_parts_of_volumes_go_before_their_drivers_are_asked_and_what_is_not_let_go_of_stays(tmp_path: Path, cluster: Cluster) -> None:
    config = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test")
    held = Held(config)
    volumes = Volumes(config, cluster, ImageViews(config, FakeRuntime()), csi=held)  # type: ignore[arg-type]
    part = config.pod_dir("u") / "volume-subpaths" / "main" / "0-v"
    part.mkdir(parents=True)
    (config.pod_dir("u") / "file").touch()
    empty_in_memory(part, None, 4096)
    assert await volumes.remove("u") == ["it is busy"]
    assert (held.found, (config.pod_dir("u") / "file").exists()) == ([], True)
    assert not mounts_below(config.pod_dir("u"))


class Released:
    """Stands for the volumes of claims, whose devices are to be detached."""

    def __init__(self) -> None:
        self.uids: list[str] = []

    async def release(self, uid: str) -> None:
        self.uids.append(uid)


async def test_devices_are_detached_although_an_image_cannot_be_unmounted(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(uid: str) -> None:
        raise OSError("it is busy")

    config, released = NodeConfig(home=tmp_path, node_name="n", instance="pilothouse-test"), Released()
    volumes = Volumes(config, cluster, ImageViews(config, FakeRuntime()), claimed=released)  # type: ignore[arg-type]
    monkeypatch.setattr(volumes.views, "drop", fail)
    config.pod_dir("u").mkdir(parents=True)
    assert await volumes.remove("u") == []
    # What is left of it is found by the next start of the agent.
    assert (released.uids, config.pod_dir("u").exists()) == (["u"], True)
