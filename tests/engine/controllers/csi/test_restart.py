"""A control plane that is killed at any point of its work with a driver goes on from what the objects say, and leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.csi.finalizers import IN_THE_MAKING
from pilothouse.engine.csi.driver import Driver
from pilothouse.model import csi, meta
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS
from tests.csi_driver.driver import FolderDriver
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.engine.controllers.conftest import controlled
from tests.engine.controllers.csi.conftest import DRIVER, Place, Sockets
from tests.engine.controllers.csi.test_attacher import is_attached, pod

CLAIMS, VOLUMES = PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
ATTACHING = Options(controller=(*Options().controller, "PUBLISH_UNPUBLISH_VOLUME"))
HANGS = Fault(hang_s=0.5, after=True, code="CANCELLED", times=1)
"""The driver does what it is asked for, and nobody is there any more to hear of it."""


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[FolderDriver]:
    async with FolderDriver(tmp_path / "driver", ATTACHING).at(tmp_path / "s") as found:
        yield found


@asynccontextmanager
async def running(server: ApiServer, driver: FolderDriver, tmp_path: Path) -> AsyncIterator[Place]:
    """The controllers, for as long as it is entered; then they end in the middle of whatever they do."""
    reached = Driver(DRIVER, tmp_path / "s")
    sockets = Sockets({("n1", DRIVER): reached})
    try:
        async with controlled(server, driver_calls=sockets) as cluster:
            yield Place(cluster, driver, sockets)
    finally:
        await reached.close()


async def until_asked(driver: FolderDriver, method: str) -> None:
    async with asyncio.timeout(10):
        while method not in driver.asked():
            await asyncio.sleep(0.02)


async def prepared(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class()


async def test_a_volume_that_was_being_made_is_made_once(server: ApiServer, driver: FolderDriver, tmp_path: Path) -> None:
    async with running(server, driver, tmp_path) as place:
        await prepared(place)
        driver.faults.set("CreateVolume", HANGS)
        await place.claim()
        await until_asked(driver, "CreateVolume")
    async with running(server, driver, tmp_path) as place:
        await place.bound()
        assert len(place.volumes()) == 1
        await place.cluster.until_one(CLAIMS, "data", lambda obj: IN_THE_MAKING not in meta.finalizers(obj))


async def test_a_claim_that_was_deleted_meanwhile_leaves_no_volume(server: ApiServer, driver: FolderDriver, tmp_path: Path) -> None:
    async with running(server, driver, tmp_path) as place:
        await prepared(place)
        driver.faults.set("CreateVolume", HANGS)
        await place.claim()
        await until_asked(driver, "CreateVolume")
        client = place.cluster.client
    await client.delete(CLAIMS, "data", "default")
    async with running(server, driver, tmp_path) as place:
        await place.cluster.until(CLAIMS, lambda items: not items)
        await place.until_removed()
        await place.cluster.until(VOLUMES, lambda items: not items, "no volumes", None)


async def test_what_was_being_removed_is_removed(server: ApiServer, driver: FolderDriver, tmp_path: Path) -> None:
    async with running(server, driver, tmp_path) as place:
        await prepared(place)
        await place.claim()
        await place.bound()
        driver.faults.set("DeleteVolume", HANGS)
        await place.cluster.client.delete(CLAIMS, "data", "default")
        await until_asked(driver, "DeleteVolume")
    async with running(server, driver, tmp_path) as place:
        await place.cluster.until(VOLUMES, lambda items: not items, "no volumes", None)
        assert place.volumes() == []


async def test_what_was_being_attached_is_detached_when_its_pod_has_gone_meanwhile(
    server: ApiServer, driver: FolderDriver, tmp_path: Path
) -> None:
    async with running(server, driver, tmp_path) as place:
        await prepared(place)
        await place.claim()
        await place.bound()
        driver.faults.set("ControllerPublishVolume", HANGS)
        await place.cluster.create(PODS, pod("n1"))
        await until_asked(driver, "ControllerPublishVolume")
        client = place.cluster.client
    await client.delete(PODS, "p", "default", grace_s=0)
    async with running(server, driver, tmp_path) as place:
        await place.cluster.until(VOLUMEATTACHMENTS, lambda items: not items, "detached", None)
        assert next(driver.store.volumes()).attached == []


async def test_what_was_attached_stays_so(server: ApiServer, driver: FolderDriver, tmp_path: Path) -> None:
    async with running(server, driver, tmp_path) as place:
        await prepared(place)
        await place.claim()
        await place.bound()
        await place.cluster.create(PODS, pod("n1"))
        name = csi.attachment_name(DRIVER, place.volumes()[0], "n1")
        attached = await place.cluster.until_one(VOLUMEATTACHMENTS, name, is_attached)
    async with running(server, driver, tmp_path) as place:
        await asyncio.sleep(0.3)
        found = await place.cluster.get(VOLUMEATTACHMENTS, name) or {}
        assert meta.uid(found) == meta.uid(attached)
        assert driver.asked("ControllerPublishVolume", "ControllerUnpublishVolume") == ["ControllerPublishVolume"]
