"""Snapshots of volumes whose driver has no snapshotter of its own, and volumes made of them."""

import asyncio

import pytest

from pilothouse.engine.controllers.csi.drivers import MOST_CALLS
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS, CSIDRIVERS, CSINODES, PERSISTENTVOLUMECLAIMS, SECRETS
from pilothouse.model.snapshots import VOLUMESNAPSHOTCLASSES, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS
from tests.csi_driver.faults import Fault
from tests.csi_driver.options import Options
from tests.engine.controllers.csi.conftest import DRIVER, Place
from tests.engine.controllers.snapshot.test_controller import is_ready, snapshot


async def prepared(place: Place, parts: str = "all", **parameters: str) -> None:
    """A bound claim, and a class of snapshots."""
    await place.cluster.until_one(CRDS, VOLUMESNAPSHOTS.group_resource, lambda each: meta.is_true(each, "Established"))
    await place.register("n1")
    await place.serve(parts)
    await place.storage_class()
    await place.claim()
    await place.bound()
    made = {"metadata": {"name": "folders"}, "driver": DRIVER, "deletionPolicy": "Delete", "parameters": parameters}
    await place.cluster.create(VOLUMESNAPSHOTCLASSES, made)


def taken(place: Place) -> list[str]:
    return [each.id for each in place.driver.store.snapshots()]


async def test_a_snapshot_is_taken_restored_and_removed(place: Place) -> None:
    await prepared(place, kind="cold")
    await place.cluster.create(VOLUMESNAPSHOTS, snapshot(volumeSnapshotClassName="folders"))
    found = await place.cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    assert found["status"]["restoreSize"] == "1Gi"
    content = await place.cluster.get(VOLUMESNAPSHOTCONTENTS, found["status"]["boundVolumeSnapshotContentName"]) or {}
    assert [content["status"]["snapshotHandle"]] == taken(place)
    assert dict(place.driver.request("CreateSnapshot").parameters) == {"kind": "cold"}
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    await place.claim("restored", dataSource=source)
    await place.bound("restored")
    assert place.driver.request("CreateVolume").volume_content_source.snapshot.snapshot_id == taken(place)[0]
    await place.cluster.client.delete(VOLUMESNAPSHOTS, "s", "default")
    await place.cluster.until(VOLUMESNAPSHOTCONTENTS, lambda items: not items, "gone", None)
    assert taken(place) == []


async def test_a_claim_waits_for_the_snapshot_that_it_is_to_be_made_of(place: Place) -> None:
    await prepared(place)
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}
    await place.claim("restored", dataSource=source)
    assert "snapshot s is not ready" in await place.said("ProvisioningFailed")
    assert len(place.volumes()) == 1


@pytest.mark.parametrize("options", [Options(required_secret="token=t0p")])
async def test_the_class_names_the_secret_for_snapshots(place: Place) -> None:
    await place.cluster.create(SECRETS, {"metadata": {"name": "key"}, "stringData": {"token": "t0p"}})
    await place.cluster.until_one(CRDS, VOLUMESNAPSHOTS.group_resource, lambda each: meta.is_true(each, "Established"))
    await place.register("n1")
    await place.serve()
    parameters = {f"csi.storage.k8s.io/provisioner-secret-{each}": value for each, value in (("name", "key"), ("namespace", "default"))}
    await place.storage_class(parameters=parameters)
    await place.claim()
    await place.bound()
    named = {
        "csi.storage.k8s.io/snapshotter-secret-name": "key",
        "csi.storage.k8s.io/snapshotter-secret-namespace": "${volumesnapshot.namespace}",
    }
    made = {"metadata": {"name": "folders"}, "driver": DRIVER, "deletionPolicy": "Delete", "parameters": named}
    await place.cluster.create(VOLUMESNAPSHOTCLASSES, made)
    await place.cluster.create(VOLUMESNAPSHOTS, snapshot(volumeSnapshotClassName="folders"))
    await place.cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    request = place.driver.request("CreateSnapshot")
    assert (dict(request.secrets), dict(request.parameters)) == ({"token": "t0p"}, {})


async def test_a_snapshot_whose_id_nobody_has_heard_is_removed_all_the_same(place: Place) -> None:
    await prepared(place)
    place.driver.faults.set("CreateSnapshot", Fault(code="DEADLINE_EXCEEDED", after=True))
    await place.cluster.create(VOLUMESNAPSHOTS, snapshot(volumeSnapshotClassName="folders"))
    await place.cluster.until_one(VOLUMESNAPSHOTS, "s", lambda each: bool((each.get("status") or {}).get("error")))
    assert len(taken(place)) == 1
    await place.cluster.client.delete(VOLUMESNAPSHOTS, "s", "default")
    place.driver.faults.clear("CreateSnapshot")
    await place.cluster.until(VOLUMESNAPSHOTCONTENTS, lambda items: not items, "gone", None)
    assert taken(place) == []


async def test_a_snapshot_that_its_driver_refuses_can_be_deleted(place: Place) -> None:
    await prepared(place)
    place.driver.faults.set("CreateSnapshot", Fault(code="INVALID_ARGUMENT", why="no snapshots of this volume"))
    await place.cluster.create(VOLUMESNAPSHOTS, snapshot(volumeSnapshotClassName="folders"))
    await place.said("SnapshotCreationFailed", "no snapshots of this volume")
    await place.cluster.client.delete(VOLUMESNAPSHOTS, "s", "default")
    await place.cluster.until(VOLUMESNAPSHOTS, lambda items: not items)
    await place.cluster.until(VOLUMESNAPSHOTCONTENTS, lambda items: not items, "gone", None)


async def test_a_snapshot_whose_secret_was_never_there_can_be_deleted(place: Place) -> None:
    named = {f"csi.storage.k8s.io/snapshotter-secret-{each}": "missing" for each in ("name", "namespace")}
    await prepared(place, **named)
    await place.cluster.create(VOLUMESNAPSHOTS, snapshot(volumeSnapshotClassName="folders"))
    await place.said("SnapshotCreationFailed", "there is no Secret missing/missing")
    await place.cluster.client.delete(VOLUMESNAPSHOTS, "s", "default")
    await place.cluster.until(VOLUMESNAPSHOTS, lambda items: not items)
    assert place.driver.asked("CreateSnapshot") == []


def content(name: str, driver: str, **source: str) -> Object:
    reference = {"namespace": "default", "name": name, "uid": f"uid-of-{name}"}
    spec = {"deletionPolicy": "Retain", "driver": driver, "source": source, "volumeSnapshotRef": reference}
    return {"metadata": {"name": name}, "spec": spec}


async def test_a_driver_that_hangs_leaves_the_others_their_snapshots(place: Place) -> None:
    await prepared(place)
    entries = [{"name": name, "nodeID": "id-of-n1", "topologyKeys": []} for name in (DRIVER, "other.test")]
    await place.cluster.patch(CSINODES, "n1", {"spec": {"drivers": entries}})
    place.sockets.drivers["n1", "other.test"] = place.sockets.drivers["n1", DRIVER]
    made = {"metadata": {"name": "other.test", "annotations": {"csi.pilothouse.dev/sidecars": "all"}}, "spec": {}}
    await place.cluster.create(CSIDRIVERS, made)
    place.driver.faults.set("CreateSnapshot", Fault(hang_s=3))
    for number in range(8):
        await place.cluster.create(VOLUMESNAPSHOTCONTENTS, content(f"stuck-{number}", DRIVER, volumeHandle=place.volumes()[0]))
    async with asyncio.timeout(10):
        while len(place.driver.asked("CreateSnapshot")) < MOST_CALLS:
            await asyncio.sleep(0.02)
    await place.cluster.create(VOLUMESNAPSHOTCONTENTS, content("free", "other.test", snapshotHandle="nothing"))
    await place.cluster.until_one(VOLUMESNAPSHOTCONTENTS, "free", lambda each: bool(each.get("status")))
    assert len(place.driver.asked("CreateSnapshot")) == MOST_CALLS
    place.driver.faults.clear("CreateSnapshot")
    await place.cluster.until(VOLUMESNAPSHOTCONTENTS, lambda items: all(each.get("status") for each in items), "taken", None)


async def test_a_driver_with_a_snapshotter_of_its_own_is_left_to_it(place: Place) -> None:
    await prepared(place, "provisioner")
    await place.cluster.create(VOLUMESNAPSHOTS, snapshot(volumeSnapshotClassName="folders"))
    content = await place.cluster.until(VOLUMESNAPSHOTCONTENTS, lambda items: items[0] if items else None, "made", None)
    assert content["spec"]["driver"] == DRIVER
    await place.cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
    assert "CreateSnapshot" not in place.driver.asked()
