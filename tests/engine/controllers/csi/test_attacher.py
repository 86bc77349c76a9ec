"""Volumes of a driver that has no attacher of its own are attached to nodes and let go, with the driver's own word for it."""

import pytest

from pilothouse.model import csi, meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSINODES, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.engine.controllers.csi.conftest import DRIVER, Place

ATTACHING = Options(controller=(*Options().controller, "PUBLISH_UNPUBLISH_VOLUME"))
attaching = pytest.mark.parametrize("options", [ATTACHING])
FINALIZER = f"external-attacher/{DRIVER}"


def pod(node_name: str) -> Object:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    return {"metadata": {"name": "p"}, "spec": {"nodeName": node_name, "containers": [{"name": "c", "image": "i"}], "volumes": volumes}}


async def with_a_pod(place: Place, node_name: str = "n1") -> tuple[str, str]:
    """Of a claim with a volume and a pod on that node; returns the names of the volume and of its attachment."""
    await place.register("n1", "n2")
    await place.serve()
    await place.storage_class()
    await place.claim()
    name = (await place.bound())["spec"]["volumeName"]
    await place.cluster.create(PODS, pod(node_name))
    return name, csi.attachment_name(DRIVER, place.volumes()[0], node_name)


def is_attached(obj: Object) -> bool:
    return bool(obj["status"]["attached"])


async def until_detached(place: Place) -> None:
    await place.cluster.until(VOLUMEATTACHMENTS, lambda items: not items, "detached", None)


@attaching
async def test_a_volume_is_attached_for_its_pod_and_detached_after_it(place: Place) -> None:
    volume, name = await with_a_pod(place)
    attached = await place.cluster.until_one(VOLUMEATTACHMENTS, name, is_attached)
    assert attached["status"]["attachmentMetadata"] == {"attached": "id-of-n1"}
    assert meta.finalizers(attached) == [FINALIZER]
    assert FINALIZER in meta.finalizers(await place.cluster.until_one(PERSISTENTVOLUMES, volume, lambda _: True))
    await place.cluster.until_one(NODES, "n1", lambda obj: bool(obj["status"].get("volumesAttached")))
    assert await place.said("SuccessfulAttachVolume")
    await place.cluster.client.delete(PODS, "p", "default", grace_s=0)
    await until_detached(place)
    assert next(place.driver.store.volumes()).attached == []
    await place.cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
    await place.cluster.until(PERSISTENTVOLUMES, lambda items: not items, "gone", None)
    await place.until_removed()


async def test_a_driver_that_attaches_nothing_is_not_asked(place: Place) -> None:
    _, name = await with_a_pod(place)
    assert await place.cluster.until_one(VOLUMEATTACHMENTS, name, is_attached)
    assert "ControllerPublishVolume" not in place.driver.asked()


@attaching
async def test_a_refusal_is_shown_and_the_driver_asked_again(place: Place) -> None:
    place.driver.faults.set("ControllerPublishVolume", Fault(code="RESOURCE_EXHAUSTED", why="no more slots", times=2))
    _, name = await with_a_pod(place)
    shown = await place.cluster.until_one(VOLUMEATTACHMENTS, name, lambda obj: bool(obj["status"].get("attachError")))
    assert shown["status"]["attachError"]["errorCode"] == 8
    assert "no more slots" in await place.said("FailedAttachVolume")
    done = await place.cluster.until_one(VOLUMEATTACHMENTS, name, is_attached)
    assert "attachError" not in done["status"]


@attaching
async def test_what_cannot_be_detached_stays_known_until_it_is(place: Place) -> None:
    _, name = await with_a_pod(place)
    await place.cluster.until_one(VOLUMEATTACHMENTS, name, is_attached)
    place.driver.faults.set("ControllerUnpublishVolume", Fault(code="INTERNAL", why="busy", times=2))
    # The node goes, and with it what it says of itself.
    await place.cluster.client.delete(CSINODES, "n1")
    await place.cluster.client.delete(PODS, "p", "default", grace_s=0)
    shown = await place.cluster.until_one(VOLUMEATTACHMENTS, name, lambda obj: bool(obj["status"].get("detachError")))
    assert "busy" in shown["status"]["detachError"]["message"]
    await until_detached(place)
    assert place.driver.request("ControllerUnpublishVolume").node_id == "id-of-n1"


@attaching
async def test_a_driver_that_is_not_on_the_pods_node_is_named(place: Place) -> None:
    await with_a_pod(place, "n3")
    assert "driver folders.test is not registered on node n3" in await place.said("FailedAttachVolume", "registered")
