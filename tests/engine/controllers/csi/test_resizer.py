"""Volumes of a driver without a resizer of its own grow and change their attributes; a real driver, faults on demand."""

from typing import Any

import pytest

from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTRIBUTESCLASSES
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.engine.controllers.csi.conftest import DRIVER, Place

CLAIMS, VOLUMES, CLASSES = PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTRIBUTESCLASSES
WITHOUT_NODE = Options(node=tuple(each for each in Options().node if each != "EXPAND_VOLUME"))


async def prepared(place: Place, parts: str = "all", **claim: Any) -> str:
    """A bound claim; returns the name of its volume."""
    await place.register("n1")
    await place.serve(parts)
    await place.storage_class()
    await place.claim(**claim)
    return str((await place.bound())["spec"]["volumeName"])


async def ask(place: Place, size: str) -> None:
    await place.cluster.patch(CLAIMS, "data", {"spec": {"resources": {"requests": {"storage": size}}}})


def has(size: str) -> Any:
    return lambda obj: obj["status"]["capacity"]["storage"] == size


def is_given(name: str) -> Any:
    return lambda obj: obj["status"].get("currentVolumeAttributesClassName") == name


async def attributes(place: Place, name: str, driver: str = DRIVER, **parameters: str) -> None:
    await place.cluster.create(CLASSES, {"metadata": {"name": name}, "driverName": driver, "parameters": parameters})


@pytest.mark.parametrize("options", [WITHOUT_NODE])
async def test_a_volume_grows_at_once_where_its_node_has_nothing_to_do(place: Place) -> None:
    name = await prepared(place)
    await ask(place, "2Gi")
    grown = await place.cluster.until_one(CLAIMS, "data", has("2Gi"))
    assert {"conditions", "allocatedResourceStatuses", "allocatedResources"}.isdisjoint(grown["status"])
    volume = await place.cluster.until_one(VOLUMES, name, lambda obj: obj["spec"]["capacity"]["storage"] == "2Gi")
    assert "volume.alpha.kubernetes.io/pre-resize-capacity" not in meta.annotations(volume)
    assert await place.said("VolumeResizeSuccessful")


async def test_a_volume_whose_node_has_a_part_waits_for_it(place: Place) -> None:
    name = await prepared(place)
    await ask(place, "2Gi")
    waiting = await place.cluster.until_one(CLAIMS, "data", lambda obj: meta.is_true(obj, "FileSystemResizePending"))
    assert waiting["status"]["capacity"] == {"storage": "1Gi"}
    assert waiting["status"]["allocatedResourceStatuses"] == {"storage": "NodeResizePending"}
    volume = await place.cluster.until_one(VOLUMES, name, lambda obj: obj["spec"]["capacity"]["storage"] == "2Gi")
    assert meta.annotations(volume)["volume.alpha.kubernetes.io/pre-resize-capacity"] == "1Gi"
    assert next(place.driver.store.volumes()).bytes == 2 << 30


async def test_a_driver_that_cannot_grow_a_volume_says_why_and_is_asked_again(place: Place) -> None:
    await prepared(place)
    place.driver.faults.set("ControllerExpandVolume", Fault(code="OUT_OF_RANGE", why="the pool is full", times=2))
    await ask(place, "2Gi")
    assert "the pool is full" in await place.said("VolumeResizeFailed")
    await place.cluster.until_one(CLAIMS, "data", lambda obj: meta.is_true(obj, "FileSystemResizePending"))


async def test_a_driver_with_a_resizer_of_its_own_is_waited_for(place: Place) -> None:
    await prepared(place, "provisioner")
    await ask(place, "2Gi")
    assert await place.said("ExternalExpanding")
    assert "ControllerExpandVolume" not in place.driver.asked()


async def test_a_volume_is_made_with_the_attributes_of_its_class_and_given_those_of_another(place: Place) -> None:
    await attributes(place, "slow", iops="100")
    await attributes(place, "fast", iops="900")
    name = await prepared(place, volumeAttributesClassName="slow")
    await place.cluster.until_one(CLAIMS, "data", is_given("slow"))
    assert dict(place.driver.request("CreateVolume").mutable_parameters) == {"iops": "100"}
    await place.cluster.patch(CLAIMS, "data", {"spec": {"volumeAttributesClassName": "fast"}})
    given = await place.cluster.until_one(CLAIMS, "data", is_given("fast"))
    assert {"modifyVolumeStatus", "conditions"}.isdisjoint(given["status"])
    await place.cluster.until_one(VOLUMES, name, lambda obj: obj["spec"]["volumeAttributesClassName"] == "fast")
    assert next(place.driver.store.volumes()).parameters["iops"] == "900"
    # What is named by nobody any more goes; what is in use stays.
    for each in ("slow", "fast"):
        await place.cluster.client.delete(CLASSES, each)
    await place.cluster.until(CLASSES, lambda items: [meta.name(each) for each in items] == ["fast"], "slow gone", None)
    await place.cluster.client.delete(CLAIMS, "data", "default")
    await place.cluster.until(CLASSES, lambda items: not items, "fast gone", None)


async def test_attributes_that_the_driver_refuses_leave_the_volume_as_it_was(place: Place) -> None:
    await attributes(place, "odd", refuse="no such tier")
    await attributes(place, "others", driver="other.test", a="b")
    await prepared(place)
    await place.cluster.patch(CLAIMS, "data", {"spec": {"volumeAttributesClassName": "missing"}})
    assert "is not there" in await place.said("VolumeModifyFailed")
    await place.cluster.patch(CLAIMS, "data", {"spec": {"volumeAttributesClassName": "others"}})
    assert await place.said("VolumeModifyFailed", "is for driver other.test")
    await place.cluster.patch(CLAIMS, "data", {"spec": {"volumeAttributesClassName": "odd"}})

    def is_refused(obj: Object) -> bool:
        return (obj["status"].get("modifyVolumeStatus") or {}).get("status") == "Infeasible"

    refused = await place.cluster.until_one(CLAIMS, "data", is_refused)
    assert refused["status"]["modifyVolumeStatus"]["targetVolumeAttributesClassName"] == "odd"
    await place.cluster.patch(CLAIMS, "data", {"spec": {"volumeAttributesClassName": None}})
    await place.cluster.until_one(CLAIMS, "data", lambda obj: "modifyVolumeStatus" not in obj["status"])
