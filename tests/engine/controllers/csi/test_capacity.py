"""Pods go where a driver has room for their volumes, and where a node may have one more; real scheduler, real driver."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import CONTROLLER_MANAGER, SCHEDULER
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.boot.control import SERVED
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, CSISTORAGECAPACITIES, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, STORAGECLASSES
from tests.csi_driver.options import Options
from tests.engine.controllers.csi.conftest import DRIVER, ZONE, Place
from tests.engine.controllers.persistentvolume.test_controller import placed, refused, using
from tests.people import client_of

CAPACITIES, DELAYED = CSISTORAGECAPACITIES, "WaitForFirstConsumer"
MIB = 1 << 20


@asynccontextmanager
async def scheduling(server: ApiServer) -> AsyncIterator[None]:
    client = client_of(server, SCHEDULER)
    informers = Informers(client_of(server, CONTROLLER_MANAGER))
    recorder = Recorder(client, None, "default-scheduler")
    scheduler = Scheduler(client, informers, recorder, served=SERVED)
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        await tasks.start(scheduler.run)
        yield
        tasks.cancel()


async def reported(place: Place, *expected: tuple[str, str]) -> None:
    """Waits for these (zone, capacity)."""

    def holds(items: list[Object]) -> bool:
        seen = sorted((each["nodeTopology"].get("matchLabels", {}).get(ZONE, ""), each["capacity"]) for each in items)
        return seen == sorted(expected)

    await place.cluster.until(CAPACITIES, holds, f"{expected}", "kube-system")


@pytest.mark.parametrize("options", [Options(topology={ZONE: "a"}, capacity_bytes=100 * MIB)])
async def test_what_a_driver_has_left_is_reported_by_place_and_class(place: Place) -> None:
    await place.register("n1", "n2", zone="a")
    await place.register("n3", zone="b")
    await place.serve(storageCapacity=True)
    await place.storage_class(volumeBindingMode=DELAYED)
    await place.storage_class("at-once")
    await reported(place, ("a", "100Mi"), ("b", "0"))
    await place.claim(size="60Mi", storage_class="at-once")
    await place.bound()
    await reported(place, ("a", "40Mi"), ("b", "0"))
    await place.cluster.client.delete(STORAGECLASSES, "folders")
    await reported(place)


async def test_a_driver_that_does_not_have_its_room_reported_is_not_asked(place: Place) -> None:
    await place.register("n1")
    await place.serve()
    await place.storage_class(volumeBindingMode=DELAYED)
    await place.cluster.patch(CSIDRIVERS, DRIVER, {"spec": {"storageCapacity": True}})
    await reported(place, ("", "1Ti"))
    await place.cluster.patch(CSIDRIVERS, DRIVER, {"spec": {"storageCapacity": False}})
    await reported(place)


@pytest.mark.parametrize("options", [Options(topology={ZONE: "a"}, capacity_bytes=100 * MIB)])
async def test_a_pod_goes_where_there_is_room_for_its_volume_or_waits_until_there_is(server: ApiServer, place: Place) -> None:
    await place.register("n1", zone="b")
    await place.register("n2", zone="a")
    await place.serve(storageCapacity=True)
    await place.storage_class(volumeBindingMode=DELAYED)
    await reported(place, ("a", "100Mi"), ("b", "0"))
    async with scheduling(server):
        await place.claim("fits", "60Mi")
        await place.cluster.create(PODS, using("p", "fits"))
        await place.cluster.until_one(PODS, "p", placed("n2"))
        await reported(place, ("a", "40Mi"), ("b", "0"))
        await place.claim("large", "60Mi")
        await place.cluster.create(PODS, using("q", "large"))
        await place.cluster.until_one(PODS, "q", refused("2 node(s) did not have enough free storage"))
        # Somebody makes room.
        await place.cluster.client.delete(PODS, "p", "default", grace_s=0)

        await place.cluster.client.delete(PERSISTENTVOLUMECLAIMS, "fits", "default")
        await place.cluster.until_one(PODS, "q", placed("n2"))


async def test_a_driver_that_is_the_same_everywhere_has_room_on_every_node(server: ApiServer, place: Place) -> None:
    await place.register("n1")
    await place.serve(storageCapacity=True)
    await place.storage_class(volumeBindingMode=DELAYED)
    async with scheduling(server):
        await place.claim()
        await place.cluster.create(PODS, using("p", "data"))
        await place.cluster.until_one(PODS, "p", placed("n1"))


async def test_a_node_takes_no_more_volumes_than_its_driver_allows(server: ApiServer, place: Place) -> None:
    await place.register("n1", allocatable=1)
    await place.serve(attachRequired=False)
    await place.storage_class()
    for name in ("first", "second"):
        await place.claim(name)
        await place.bound(name)
    async with scheduling(server):
        await place.cluster.create(PODS, using("p", "first"))
        await place.cluster.until_one(PODS, "p", placed("n1"))
        # Another pod with the same volume is no further one.
        await place.cluster.create(PODS, using("again", "first"))
        await place.cluster.until_one(PODS, "again", placed("n1"))
        await place.cluster.create(PODS, using("q", "second"))
        await place.cluster.until_one(PODS, "q", refused("1 node(s) exceed max volume count"))
        for name in ("p", "again"):
            await place.cluster.client.delete(PODS, name, "default", grace_s=0)
        await place.cluster.until_one(PODS, "q", placed("n1"))


async def test_a_pod_goes_to_the_zone_that_its_volume_names(server: ApiServer, place: Place) -> None:
    zone = "topology.kubernetes.io/zone"
    await place.register("n1", "n2")
    for name, where in (("n1", "x"), ("n2", "y")):
        await place.cluster.patch(NODES, name, {"metadata": {"labels": {zone: where}}})
    await place.serve()
    await place.storage_class()
    await place.claim()
    volume: Any = (await place.bound())["spec"]["volumeName"]
    await place.cluster.patch(PERSISTENTVOLUMES, volume, {"metadata": {"labels": {zone: "y__z"}}})
    async with scheduling(server):
        await place.cluster.create(PODS, using("p", "data"))
        assert meta.name(await place.cluster.until_one(PODS, "p", placed("n2"))) == "p"
        await place.cluster.patch(PERSISTENTVOLUMES, volume, {"metadata": {"labels": {zone: "z"}}})
        await place.cluster.create(PODS, using("q", "data"))
        await place.cluster.until_one(PODS, "q", refused("2 node(s) had no available volume zone"))
