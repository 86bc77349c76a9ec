"""Block volumes of pods: which device a container gets."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.config import NodeConfig
from pilothouse.engine.node.local_volumes import loops
from pilothouse.engine.node.local_volumes.store import LocalVolumes, Made, Wanted
from pilothouse.engine.node.pod.environment import ConfigMissing
from pilothouse.engine.node.volumes.claimed import ClaimedVolumes
from pilothouse.engine.node.volumes.devices import container_devices
from pilothouse.engine.node.volumes.projection import VolumeMissing
from pilothouse.model.json import Object
from pilothouse.model.volumes import LOCAL_PROVISIONER, NODE, PROVISIONED_BY
from tests.engine.node.local_volumes.conftest import MIB, NAMES, needs_loops
from tests.engine.node.test_claimed import SOURCE, Api, claim, volume

pytestmark = needs_loops


def pod(uid: str = "one", read_only: bool = False) -> Object:
    devices = [{"name": "data", "devicePath": "/dev/xvda"}]
    source = {"claimName": "c", "readOnly": read_only}
    spec = {"containers": [{"name": "c", "volumeDevices": devices}], "volumes": [{"name": "data", "persistentVolumeClaim": source}]}
    return {"metadata": {"name": uid, "namespace": "default", "uid": uid}, "spec": spec}


def bound(name: str, **spec: Any) -> Api:
    made = volume(
        {PROVISIONED_BY: LOCAL_PROVISIONER, NODE: "n1"} if not spec else None, **({"local": {"path": "/x"}} | spec), volumeMode="Block"
    )
    made["metadata"]["name"] = name
    return Api({"c": claim() | {"spec": {"volumeName": name}}}, {name: made})


def given(wanted: Object, path: Path) -> list[tuple[str, str, str]]:
    found = container_devices(wanted, wanted["spec"]["containers"][0], {"data": path})
    return [(each.container_path, each.host_path, each.permissions) for each in found]


async def made(local: LocalVolumes) -> Path:
    found = await local.ensure(NAMES[0], Wanted(16 * MIB, "Block"))
    assert isinstance(found, Made)
    return found.path


async def test_each_container_gets_the_device_that_the_file_has_then(local: LocalVolumes, config: NodeConfig) -> None:
    file = await made(local)
    volumes = ClaimedVolumes(config, bound(NAMES[0]), local)
    link = await volumes.mount(pod(), SOURCE)
    (device,) = loops.devices(file)
    assert given(pod(), link) == [("/dev/xvda", str(device), "mrw")]
    assert given(pod(read_only=True), link)[0][2] == "mr"
    # Somebody detaches it, and another file gets its number, as after a restart of the machine.
    loops.detach(file)
    other = config.volumes_dir / "other" / "image"
    other.parent.mkdir()
    other.write_bytes(b"x" * MIB)
    assert loops.attach(other) == device
    again = given(pod(), link)[0][1]
    assert again == str(loops.devices(file)[0]) != str(device)
    assert await ClaimedVolumes(config, Api(), local).mount(pod(), SOURCE) == link, "an agent that starts anew asks nobody"


async def test_the_device_goes_with_the_last_pod(local: LocalVolumes, config: NodeConfig) -> None:
    file = await made(local)
    volumes = ClaimedVolumes(config, bound(NAMES[0]), local)
    await volumes.mount(pod("one"), SOURCE)
    await volumes.mount(pod("two"), SOURCE)
    await volumes.release("one")
    assert loops.devices(file)
    await volumes.release("two")
    await volumes.release("two")
    assert not loops.devices(file)


async def test_a_device_for_one_pod_is_for_one_pod(local: LocalVolumes, config: NodeConfig) -> None:
    await made(local)
    api = bound(NAMES[0])
    api.volumes[NAMES[0]]["spec"]["accessModes"] = ["ReadWriteOncePod"]
    volumes = ClaimedVolumes(config, api, local)
    await volumes.mount(pod("one"), SOURCE)
    with pytest.raises(VolumeMissing, match="for one pod at a time, and pod one of this node still has it"):
        await volumes.mount(pod("two"), SOURCE)
    await volumes.release("one")
    await volumes.mount(pod("two"), SOURCE)


@pytest.fixture
def disk(home: Path) -> Iterator[Path]:
    """A block device of the node."""
    file = home / "disk"
    file.write_bytes(b"\0" * MIB)
    yield loops.attach(file)
    loops.detach(file)


async def test_a_device_of_the_node_is_given_as_it_is_and_left_alone(local: LocalVolumes, config: NodeConfig, disk: Path) -> None:
    by_id = config.home / "by-id"
    by_id.symlink_to(disk)
    volumes = ClaimedVolumes(config, bound("v", local={"path": str(by_id)}), local)
    link = await volumes.mount(pod(), SOURCE)
    assert given(pod(), link) == [("/dev/xvda", str(by_id), "mrw")]
    await volumes.release("one")
    assert loops.devices(config.home / "disk") == [disk]


async def test_a_file_of_the_node_has_a_device_for_as_long_as_a_pod_has_it(local: LocalVolumes, config: NodeConfig, home: Path) -> None:
    file, link = home / "file", home / "by-another-name"
    file.write_bytes(b"\0" * MIB)
    link.symlink_to(file)
    volumes = ClaimedVolumes(config, bound("v", local={"path": str(file)}), local)
    others = ClaimedVolumes(config, bound("w", local={"path": str(link)}), local)
    try:
        await volumes.mount(pod("one"), SOURCE)
        await volumes.mount(pod("two"), SOURCE)
        await others.mount(pod("three"), SOURCE)
        for uid in ("one", "two"):
            await volumes.release(uid)
            assert loops.devices(file)
        await others.release("three")
        assert not loops.devices(file)
    finally:
        loops.detach(file)


async def test_a_device_that_somebody_else_has_made_of_a_file_is_left_to_them(local: LocalVolumes, config: NodeConfig, home: Path) -> None:
    file = home / "file"
    file.write_bytes(b"\0" * MIB)
    subprocess.run(["losetup", "--find", file], check=True)
    try:
        volumes = ClaimedVolumes(config, bound("v", local={"path": str(file)}), local)
        await volumes.mount(pod(), SOURCE)
        await volumes.release("one")
        assert len(loops.devices(file)) == 1
    finally:
        loops.detach(file)


async def test_a_file_system_on_a_device_is_not_mounted_and_says_what_to_do(local: LocalVolumes, config: NodeConfig, disk: Path) -> None:
    api = Api({"c": claim()}, {"v": volume(local={"path": str(disk)})})
    with pytest.raises(VolumeMissing, match="is a block device, and file systems on devices are not mounted here"):
        await ClaimedVolumes(config, api, local).mount({"metadata": pod()["metadata"], "spec": {}}, SOURCE)


def test_a_device_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigMissing, match='the device of volume "data" cannot be had: No such file'):
        given(pod(), link)
    with pytest.raises(ConfigMissing, match='cannot find volume "data" to pass into container'):
        container_devices(pod(), pod()["spec"]["containers"][0], {})
