"""The tests' own driver keeps the specification's rules: what it would let pass, the platform's tests would not see."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pilothouse.engine.csi import capabilities, methods
from pilothouse.engine.csi import csi_pb2 as csi
from pilothouse.engine.csi.driver import CsiFailure, Driver
from pilothouse.engine.node.files.mountpoints import mounts_below, unmount
from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.faults import Fault

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

MOUNTED = csi.VolumeCapability(
    mount=csi.VolumeCapability.MountVolume(),
    access_mode=csi.VolumeCapability.AccessMode(mode=csi.VolumeCapability.AccessMode.SINGLE_NODE_WRITER),
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for each in mounts_below(tmp_path):
        unmount(each)


@pytest.fixture
def served(folder: Path) -> FolderDriver:
    return FolderDriver(folder / "root")


@pytest.fixture
async def driver(folder: Path, served: FolderDriver) -> AsyncIterator[Driver]:
    asked = Driver(served.options.name, folder / "csi.sock")
    async with served.at(folder / "csi.sock"):
        yield asked
    await asked.close()


async def made(driver: Driver, **more: object) -> str:
    request = csi.CreateVolumeRequest(name="one", volume_capabilities=[MOUNTED], **more)  # type: ignore[arg-type]
    return (await driver.call(methods.CREATE_VOLUME, request)).volume.volume_id


async def staged(driver: Driver, id: str, path: Path) -> None:
    path.mkdir(exist_ok=True)
    request = csi.NodeStageVolumeRequest(volume_id=id, staging_target_path=str(path), volume_capability=MOUNTED)
    await driver.call(methods.NODE_STAGE_VOLUME, request)


async def published(driver: Driver, id: str, staging: Path, target: Path) -> None:
    request = csi.NodePublishVolumeRequest(
        volume_id=id, staging_target_path=str(staging), target_path=str(target), volume_capability=MOUNTED
    )
    await driver.call(methods.NODE_PUBLISH_VOLUME, request)


async def test_it_says_who_it_is(driver: Driver) -> None:
    found = await capabilities.plugin(driver)
    assert (found.name, found.services, found.expansion) == ("folders.test", {"CONTROLLER_SERVICE"}, {"ONLINE"})


async def test_a_volume_is_the_same_for_all_its_places(driver: Driver, folder: Path) -> None:
    id = await made(driver)
    await staged(driver, id, folder / "stage")
    for name in ("a", "b"):
        await published(driver, id, folder / "stage", folder / name)
    (folder / "a" / "file").write_text("there")
    assert (folder / "b" / "file").read_text() == "there"


async def test_making_it_again_is_the_same_volume_and_another_size_is_refused(driver: Driver) -> None:
    size = csi.CapacityRange(required_bytes=1000)
    assert await made(driver, capacity_range=size) == await made(driver, capacity_range=size)
    with pytest.raises(CsiFailure, match="ALREADY_EXISTS"):
        await made(driver, capacity_range=csi.CapacityRange(required_bytes=2000))


async def test_what_is_not_staged_is_not_published(driver: Driver, folder: Path) -> None:
    id = await made(driver)
    with pytest.raises(CsiFailure, match=r"FAILED_PRECONDITION: volume .* is not staged"):
        await published(driver, id, folder / "stage", folder / "a")


async def test_what_is_published_is_neither_unstaged_nor_deleted(driver: Driver, folder: Path) -> None:
    id = await made(driver)
    await staged(driver, id, folder / "stage")
    await published(driver, id, folder / "stage", folder / "a")
    with pytest.raises(CsiFailure, match="still published"):
        await driver.call(
            methods.NODE_UNSTAGE_VOLUME, csi.NodeUnstageVolumeRequest(volume_id=id, staging_target_path=str(folder / "stage"))
        )
    with pytest.raises(CsiFailure, match="in use"):
        await driver.call(methods.DELETE_VOLUME, csi.DeleteVolumeRequest(volume_id=id))


async def test_a_fault_lasts_as_long_as_it_is_asked_for(driver: Driver, served: FolderDriver) -> None:
    served.faults.set("CreateVolume", Fault("INTERNAL", times=1))
    with pytest.raises(CsiFailure, match="as the test wants it"):
        await made(driver)
    assert await made(driver)


async def test_a_fault_may_come_after_the_work(driver: Driver, served: FolderDriver) -> None:
    served.faults.set("CreateVolume", Fault("UNAVAILABLE", times=1, after=True))
    with pytest.raises(CsiFailure):
        await made(driver)
    assert len(list(served.store.volumes())) == 1
