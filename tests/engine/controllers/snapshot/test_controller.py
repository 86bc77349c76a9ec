"""Snapshots in a cluster with all controllers, each with its own rights; the nodes that have the volumes are played."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pilothouse.client.informer import Informer
from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.snapshot.install import install
from pilothouse.model import meta
from pilothouse.model.errors import InsufficientStorage, Invalid
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS, EVENTS, NODES, PERSISTENTVOLUMECLAIMS, SERVICEACCOUNTS, STORAGECLASSES
from pilothouse.model.snapshots import CLAIM_AS_SOURCE, VOLUMESNAPSHOTCLASSES, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.engine.controllers.persistentvolume.objects import IMMEDIATE, FakeNodes, claim, fresh, node
from tests.people import controller_client

CLAIMS, SNAPSHOTS, CONTENTS = PERSISTENTVOLUMECLAIMS, VOLUMESNAPSHOTS, VOLUMESNAPSHOTCONTENTS


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
async def cluster(server: ApiServer, nodes: FakeNodes) -> AsyncIterator[Cluster]:
    """With a claim that is bound."""
    async with held(controlled(server, node_volumes=nodes)) as found:
        await found.until_one(SERVICEACCOUNTS, "default", lambda _: True)
        await found.until_one(CRDS, VOLUMESNAPSHOTS.group_resource, lambda each: meta.is_true(each, "Established"))
        await found.create(NODES, node())
        await found.create(STORAGECLASSES, IMMEDIATE)
        await found.create(CLAIMS, fresh(claim("data", storage_class="now")))
        await found.until_one(CLAIMS, "data", lambda each: each["status"]["phase"] == "Bound")
        yield found


def snapshot(name: str = "s", **spec: Any) -> Object:
    return {"metadata": {"name": name}, "spec": {"source": {"persistentVolumeClaimName": "data"}} | spec}


def is_ready(obj: Object) -> bool:
    return (obj.get("status") or {}).get("readyToUse") is True


async def gone(cluster: Cluster, resource: Any, name: str) -> None:
    namespace = "default" if resource.namespaced else None
    await cluster.until(resource, lambda items: name not in {meta.name(each) for each in items} or None, f"{name} gone", namespace)


async def test_a_snapshot_is_taken_by_the_default_class_and_goes_with_all_that_it_has(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(SNAPSHOTS, snapshot())
    found = await cluster.until_one(SNAPSHOTS, "s", is_ready)
    assert found["spec"]["volumeSnapshotClassName"] == "local"
    assert found["status"]["restoreSize"] == "1Gi"
    content = await cluster.get(CONTENTS, found["status"]["boundVolumeSnapshotContentName"]) or {}
    assert content["status"]["snapshotHandle"] == f"n1/snapshot-{meta.uid(found)}"
    assert content["spec"]["sourceVolumeMode"] == "Filesystem"
    await cluster.until_one(CLAIMS, "data", lambda each: CLAIM_AS_SOURCE not in meta.finalizers(each))
    assert list(nodes.snapshots) == [("n1", f"snapshot-{meta.uid(found)}")]
    await cluster.client.delete(SNAPSHOTS, "s", "default")
    await gone(cluster, SNAPSHOTS, "s")
    await gone(cluster, CONTENTS, meta.name(content))
    assert not nodes.snapshots


async def test_a_claim_stays_while_a_snapshot_is_taken_of_it(cluster: Cluster, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.engine.controllers.snapshot.taking.LOOK_S", 0.02)
    nodes.is_copying = True
    await cluster.create(SNAPSHOTS, snapshot())
    await cluster.until_one(CLAIMS, "data", lambda each: CLAIM_AS_SOURCE in meta.finalizers(each))
    await cluster.client.delete(CLAIMS, "data", "default")
    assert meta.is_deleting(await cluster.get(CLAIMS, "data") or {})
    nodes.is_copying = False
    await cluster.until_one(SNAPSHOTS, "s", is_ready)
    await gone(cluster, CLAIMS, "data")


async def test_why_a_node_cannot_take_it_is_shown_and_it_is_tried_again(cluster: Cluster, nodes: FakeNodes) -> None:
    nodes.refuses["n1"] = InsufficientStorage("the disk is full")
    await cluster.create(SNAPSHOTS, snapshot())
    failed = await cluster.until_one(SNAPSHOTS, "s", lambda each: (each.get("status") or {}).get("error"))
    assert failed["status"]["error"]["message"] == "Failed to create snapshot: the disk is full"
    assert failed["status"]["readyToUse"] is False
    nodes.refuses.clear()
    assert "error" not in (await cluster.until_one(SNAPSHOTS, "s", is_ready))["status"]


async def test_a_retained_snapshot_is_bound_again_by_its_handle(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(VOLUMESNAPSHOTCLASSES, {"metadata": {"name": "kept"}, "driver": "pilothouse.io/local", "deletionPolicy": "Retain"})
    await cluster.create(SNAPSHOTS, snapshot(volumeSnapshotClassName="kept"))
    found = await cluster.until_one(SNAPSHOTS, "s", is_ready)
    name = found["status"]["boundVolumeSnapshotContentName"]
    handle = (await cluster.get(CONTENTS, name) or {})["status"]["snapshotHandle"]
    await cluster.client.delete(SNAPSHOTS, "s", "default")
    await gone(cluster, SNAPSHOTS, "s")
    await cluster.client.delete(CONTENTS, name)
    await gone(cluster, CONTENTS, name)
    assert len(nodes.snapshots) == 1

    spec = {
        "deletionPolicy": "Delete",
        "driver": "pilothouse.io/local",
        "source": {"snapshotHandle": handle},
        "volumeSnapshotRef": {"namespace": "default", "name": "again"},
    }
    await cluster.create(CONTENTS, {"metadata": {"name": "old"}, "spec": spec})
    await cluster.create(SNAPSHOTS, {"metadata": {"name": "again"}, "spec": {"source": {"volumeSnapshotContentName": "old"}}})
    await cluster.until_one(SNAPSHOTS, "again", is_ready)
    await cluster.client.delete(SNAPSHOTS, "again", "default")
    await gone(cluster, CONTENTS, "old")
    await gone(cluster, SNAPSHOTS, "again")
    assert not nodes.snapshots


async def test_a_content_of_another_driver_is_left_to_its_sidecar(cluster: Cluster) -> None:
    spec = {
        "deletionPolicy": "Delete",
        "driver": "disks.example.com",
        "source": {"snapshotHandle": "x"},
        "volumeSnapshotRef": {"namespace": "default", "name": "theirs"},
    }
    await cluster.create(CONTENTS, {"metadata": {"name": "theirs"}, "spec": spec})
    await cluster.create(SNAPSHOTS, {"metadata": {"name": "theirs"}, "spec": {"source": {"volumeSnapshotContentName": "theirs"}}})
    bound = await cluster.until_one(SNAPSHOTS, "theirs", lambda each: (each.get("status") or {}).get("boundVolumeSnapshotContentName"))
    assert bound["status"]["readyToUse"] is False
    content = await cluster.get(CONTENTS, "theirs") or {}
    await cluster.client.update_status(CONTENTS, content | {"status": {"readyToUse": True, "snapshotHandle": "x", "restoreSize": 5}})
    assert (await cluster.until_one(SNAPSHOTS, "theirs", is_ready))["status"]["restoreSize"] == "5"


async def test_a_claim_stays_while_a_snapshot_is_taken_whose_content_no_cache_has_yet(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Informer.get
    monkeypatch.setattr(Informer, "get", lambda self, key: None if self.resource is CONTENTS else known(self, key))
    await cluster.create(SNAPSHOTS, snapshot())
    await cluster.until(CONTENTS, lambda items: len(items) == 1, "made", None)
    await cluster.until_one(CLAIMS, "data", lambda each: CLAIM_AS_SOURCE in meta.finalizers(each))
    await cluster.create(SNAPSHOTS, snapshot("t", volumeSnapshotClassName="nothing"))
    await cluster.until_one(SNAPSHOTS, "t", lambda each: bool((each.get("status") or {}).get("error")))
    await cluster.client.delete(CLAIMS, "data", "default")
    await asyncio.sleep(0.3)
    assert CLAIM_AS_SOURCE in meta.finalizers(await cluster.get(CLAIMS, "data") or {})


async def test_a_missing_claim_is_said_in_an_event(cluster: Cluster) -> None:
    await cluster.create(SNAPSHOTS, snapshot(source={"persistentVolumeClaimName": "nothing"}, volumeSnapshotClassName="local"))
    found = await cluster.until(
        EVENTS, lambda items: next((each["message"] for each in items if each["reason"] == "SnapshotContentCreationFailed"), None)
    )
    assert 'persistentvolumeclaim "nothing" not found' in found


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"source": {}}, "exactly one of volumeSnapshotContentName and persistentVolumeClaimName must be set"),
        ({"source": {"persistentVolumeClaimName": "a", "volumeSnapshotContentName": "b"}}, "exactly one of"),
        ({"volumeSnapshotClassName": ""}, "volumeSnapshotClassName must not be the empty string when set"),
    ],
)
async def test_snapshots_are_refused_as_by_the_published_definitions(cluster: Cluster, spec: Any, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        await cluster.create(SNAPSHOTS, snapshot(**spec))


async def test_the_source_of_a_snapshot_cannot_be_changed(cluster: Cluster) -> None:
    await cluster.create(SNAPSHOTS, snapshot())
    with pytest.raises(Invalid, match="persistentVolumeClaimName is immutable"):
        await cluster.patch(SNAPSHOTS, "s", {"spec": {"source": {"persistentVolumeClaimName": "other"}}})
    with pytest.raises(Invalid, match="is required once set"):
        await cluster.patch(SNAPSHOTS, "s", {"spec": {"source": {"persistentVolumeClaimName": None, "volumeSnapshotContentName": "x"}}})


async def test_a_class_that_was_deleted_does_not_come_back(server: ApiServer, cluster: Cluster) -> None:
    await cluster.until_one(VOLUMESNAPSHOTCLASSES, "local", lambda _: True)
    await cluster.until_one(CRDS, VOLUMESNAPSHOTCLASSES.group_resource, lambda each: "pilothouse.io/class-made" in meta.annotations(each))
    await cluster.client.delete(VOLUMESNAPSHOTCLASSES, "local")
    await install(controller_client(server, "snapshot-controller"))
    assert await cluster.get(VOLUMESNAPSHOTCLASSES, "local") is None
