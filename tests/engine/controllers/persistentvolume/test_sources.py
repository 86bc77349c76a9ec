"""Volumes that are made of other claims' volumes and of snapshots, in a cluster with all controllers; and what nobody needs any more."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from pilothouse.engine.apiserver.server import ApiServer
from pilothouse.engine.controllers.persistentvolume import local, orphans
from pilothouse.engine.controllers.persistentvolume.clones import CLONING
from pilothouse.model import meta
from pilothouse.model.errors import InsufficientStorage
from pilothouse.model.json import Object
from pilothouse.model.kinds import CRDS, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS, SERVICEACCOUNTS, STORAGECLASSES
from pilothouse.model.snapshots import MODE_CHANGE, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS
from pilothouse.model.volumes import SOURCE_NODE
from tests.engine.controllers.conftest import Cluster, controlled, held
from tests.engine.controllers.persistentvolume.objects import IMMEDIATE, FakeNodes, claim, fresh, node
from tests.engine.controllers.persistentvolume.test_controller import is_in, placed, placing, refused, said, using
from tests.engine.controllers.snapshot.test_controller import gone, is_ready, snapshot

CLAIMS, VOLUMES = PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES
GIB = 1 << 30


@pytest.fixture
def nodes() -> FakeNodes:
    return FakeNodes()


@pytest.fixture
async def cluster(server: ApiServer, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Two nodes; the claim `data` is bound to a volume on the second."""
    for name in ("SOURCE_S", "COPYING_S"):
        monkeypatch.setattr(local, name, 0.02)
    async with held(controlled(server, node_volumes=nodes)) as found:
        await found.until_one(SERVICEACCOUNTS, "default", lambda _: True)
        await found.until_one(CRDS, VOLUMESNAPSHOTS.group_resource, lambda each: meta.is_true(each, "Established"))
        await found.create(NODES, node("n2"))
        await found.create(STORAGECLASSES, IMMEDIATE)
        await found.create(CLAIMS, fresh(claim("data", storage_class="now")))
        await found.until_one(CLAIMS, "data", is_in("Bound"))
        await found.create(NODES, node("n1"))
        yield found


def of_claim(name: str = "data") -> Object:
    return {"kind": "PersistentVolumeClaim", "name": name}


def of_snapshot(name: str = "s") -> Object:
    return {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": name}


def copy(source: Object, size: str = "1Gi", storage_class: str = "now", **spec: Any) -> Object:
    return fresh(claim("copy", size, storage_class=storage_class, dataSourceRef=source, **spec))


def node_of(volume: Object) -> str:
    return meta.annotations(volume)["local.pilothouse.io/node"]


async def volume_of(cluster: Cluster, name: str) -> Object:
    bound = await cluster.until_one(CLAIMS, name, is_in("Bound"))
    return await cluster.get(VOLUMES, bound["spec"]["volumeName"]) or {}


async def test_a_clone_is_made_on_the_node_of_its_source(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(CLAIMS, copy(of_claim(), "2Gi"))
    source, made = await volume_of(cluster, "data"), await volume_of(cluster, "copy")
    assert node_of(made) == "n2"
    assert nodes.sources[meta.name(made)] == meta.name(source)
    assert made["spec"]["capacity"] == {"storage": "2Gi"}
    await cluster.until_one(CLAIMS, "data", lambda each: CLONING not in meta.finalizers(each))


async def test_a_claim_that_is_being_cloned_stays_until_the_clone_is_made(cluster: Cluster, nodes: FakeNodes) -> None:
    nodes.is_copying = True
    await cluster.create(CLAIMS, copy(of_claim()))
    await cluster.until_one(CLAIMS, "data", lambda each: CLONING in meta.finalizers(each))
    nodes.is_copying = False
    await volume_of(cluster, "copy")
    await cluster.client.delete(CLAIMS, "data", "default")
    await gone(cluster, CLAIMS, "data")


async def test_a_volume_is_made_of_a_snapshot_that_stays_meanwhile(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(CLAIMS, copy(of_snapshot()))
    assert 'volumesnapshots.snapshot.storage.k8s.io "s" not found' in await said(cluster, "ProvisioningFailed")
    nodes.is_copying = True
    await cluster.create(VOLUMESNAPSHOTS, snapshot())
    await cluster.until_one(VOLUMESNAPSHOTS, "s", lambda each: (each.get("status") or {}).get("readyToUse") is False)
    nodes.is_copying = False
    found = await cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    made = await volume_of(cluster, "copy")
    assert (node_of(made), nodes.sources[meta.name(made)]) == ("n2", f"snapshot-{meta.uid(found)}")


async def test_a_snapshot_waits_with_its_end_for_the_volume_that_is_made_of_it(cluster: Cluster, nodes: FakeNodes) -> None:
    await cluster.create(VOLUMESNAPSHOTS, snapshot())
    await cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    nodes.is_copying = True
    await cluster.create(CLAIMS, copy(of_snapshot()))
    await cluster.until_one(CLAIMS, "copy", lambda each: "volume.kubernetes.io/storage-provisioner" in meta.annotations(each))
    await cluster.client.delete(VOLUMESNAPSHOTS, "s", "default")
    assert "being used to restore" in await said(cluster, "SnapshotDeletePending")
    await cluster.client.delete(CLAIMS, "copy", "default")
    await gone(cluster, VOLUMESNAPSHOTS, "s")
    assert not nodes.snapshots


@pytest.mark.parametrize(
    ("source", "spec", "why"),
    [
        (of_claim(), {"size": "500Mi"}, "requested 500Mi but source is 1Gi"),
        (
            of_claim(),
            {"volumeMode": "Block"},
            "must have the same volume mode for cloning.  Source is Filesystem, but new PVC requested Block",
        ),
        (of_claim("nothing"), {}, 'persistentvolumeclaim "nothing" not found'),
        (of_claim() | {"namespace": "other"}, {}, "claim's own namespace"),
        (of_snapshot(), {"size": "500Mi"}, f"is less than the size {GIB} for the source snapshot s"),
        (of_snapshot(), {"volumeMode": "Block"}, "modifies the mode of the source volume but does not have permission to do so"),
    ],
)
async def test_why_no_volume_can_be_made_of_a_source_is_said(cluster: Cluster, source: Object, spec: Any, why: str) -> None:
    await cluster.create(VOLUMESNAPSHOTS, snapshot())
    await cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    await cluster.create(CLAIMS, copy(source, **spec))
    assert why in await said(cluster, "ProvisioningFailed")


@pytest.mark.parametrize("storage_class", ["now", "local"])
async def test_a_source_that_does_not_come_is_looked_for_ever_more_seldom(
    cluster: Cluster, logs: list[MutableMapping[str, Any]], storage_class: str
) -> None:
    await cluster.create(CLAIMS, copy(of_snapshot("nothing"), storage_class=storage_class))
    async with asyncio.timeout(10):
        while len(waits := [each["again_s"] for each in logs if each.get("event") == "waits"]) < 5:
            await asyncio.sleep(0.05)
    assert waits[4] > 8 * waits[0]


async def test_a_change_of_the_mode_is_allowed_by_the_content(cluster: Cluster) -> None:
    await cluster.create(VOLUMESNAPSHOTS, snapshot())
    found = await cluster.until_one(VOLUMESNAPSHOTS, "s", is_ready)
    name = found["status"]["boundVolumeSnapshotContentName"]
    await cluster.patch(VOLUMESNAPSHOTCONTENTS, name, {"metadata": {"annotations": {MODE_CHANGE: "true"}}})
    await cluster.create(CLAIMS, copy(of_snapshot(), volumeMode="Block"))
    assert (await volume_of(cluster, "copy"))["spec"]["volumeMode"] == "Block"


async def test_a_source_that_nobody_knows_is_said(cluster: Cluster) -> None:
    await cluster.create(CLAIMS, copy({"apiGroup": "example.com", "kind": "Backup", "name": "b"}))
    assert "does not match any registered VolumePopulator" in await said(cluster, "UnrecognizedDataSourceKind")


async def test_a_pod_goes_to_where_the_source_of_its_volume_is(server: ApiServer, cluster: Cluster, nodes: FakeNodes) -> None:
    async def scene() -> None:
        await cluster.create(CLAIMS, copy(of_snapshot(), storage_class="local"))
        await cluster.create(PODS, using("web", "copy"))
        await cluster.until_one(PODS, "web", refused('persistentvolumeclaim "copy" waits for the data source'))
        await cluster.create(VOLUMESNAPSHOTS, snapshot())
        await cluster.until_one(PODS, "web", placed("n2"))
        assert meta.annotations(await cluster.get(CLAIMS, "copy") or {})[SOURCE_NODE] == "n2"
        await cluster.create(PODS, using("elsewhere", "second", nodeSelector={"kubernetes.io/hostname": "n1"}))
        await cluster.create(CLAIMS, copy(of_claim(), storage_class="local") | {"metadata": {"name": "second", "namespace": "default"}})
        await cluster.until_one(PODS, "elsewhere", refused("1 node(s) do not have the data source"))

    await placing(server, cluster, scene)


async def test_the_only_node_without_room_is_said_of_the_pod(server: ApiServer, cluster: Cluster, nodes: FakeNodes) -> None:
    async def scene() -> None:
        nodes.refuses["n1"] = InsufficientStorage("full")
        await cluster.create(CLAIMS, fresh(claim("more", storage_class="local")))
        await cluster.create(PODS, using("web", "more", nodeSelector={"kubernetes.io/hostname": "n1"}))
        await cluster.client.delete(NODES, "n2")
        await cluster.until_one(PODS, "web", refused('1 node(s) could not make the volume of persistentvolumeclaim "more"'))

    await placing(server, cluster, scene)


async def test_what_a_node_made_for_a_claim_that_is_gone_is_removed_and_nothing_else(
    server: ApiServer, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "SWEEP_S", 0.02)
    orphan, retained = (f"pvc-{digit * 8}-2222-3333-4444-555555555555" for digit in "12")
    async with held(controlled(server, node_volumes=nodes)) as cluster:
        nodes.volumes = {("n1", orphan): GIB, ("n1", retained): GIB}
        nodes.new = {("n1", orphan)}
        await cluster.create(STORAGECLASSES, IMMEDIATE)
        await cluster.create(NODES, node("n1"))
        await cluster.create(CLAIMS, fresh(claim("data", storage_class="now")))
        bound = await cluster.until_one(CLAIMS, "data", is_in("Bound"))
        # As if the control plane had ended before it could tell the node.
        nodes.new.add(("n1", bound["spec"]["volumeName"]))
        async with asyncio.timeout(5):
            while nodes.new:
                await asyncio.sleep(0.01)
        assert set(nodes.volumes) == {("n1", retained), ("n1", bound["spec"]["volumeName"])}
