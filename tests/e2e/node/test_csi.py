"""Volumes of a storage driver that is itself a pod of the node, in real containers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import CSIDRIVERS, CSINODES, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from pilothouse.model.volumes import BIND_COMPLETED
from tests.csi_driver.pod import driver_pod
from tests.csi_driver.store import Store, Volume
from tests.e2e.node.pods import BUSYBOX, Cluster, pod, shell

pytestmark = pytest.mark.containers
DRIVER = "folders.test"


@asynccontextmanager
async def driven(cluster: Cluster, *words: str, **spec: Any) -> AsyncIterator[Store]:
    """With the driver as a pod, registered. spec: of its CSIDriver."""
    root = root_of(cluster)
    about = {"metadata": {"name": DRIVER}, "spec": {"attachRequired": False, "podInfoOnMount": True} | spec}
    await cluster.client.create(CSIDRIVERS, about)
    await cluster.run(driver_pod("driver", BUSYBOX, root, *words, nodeName="n1"))
    await shown(cluster, DRIVER)
    yield Store(root)


def root_of(cluster: Cluster) -> Path:
    """Of the driver's own files: the node outlives the clusters of the tests."""
    return cluster.config.home / f"driver-{id(cluster)}"


async def shown(cluster: Cluster, *names: str) -> Object:
    """The CSINode once it lists just these drivers."""
    async with asyncio.timeout(20):
        while True:
            found = await cluster.client.get_or_none(CSINODES, "n1") or {}
            if [each["name"] for each in (found.get("spec") or {}).get("drivers") or ()] == list(names):
                return found
            await asyncio.sleep(0.05)


async def bound(cluster: Cluster, store: Store, handle: str = "vol-1", **source: Any) -> None:
    """A claim `data` of a volume that the driver has."""
    store.write(Volume(handle))
    name = f"pv-{handle}"
    claimed = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": name, "storageClassName": ""}
    claim = {"metadata": {"name": "data", "namespace": "default", "annotations": {BIND_COMPLETED: "yes"}}, "spec": claimed}
    made = await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim)
    volume = {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "claimRef": {"namespace": "default", "name": "data", "uid": meta.uid(made)},
            "csi": {"driver": DRIVER, "volumeHandle": handle} | source,
        },
    }
    await cluster.client.create(PERSISTENTVOLUMES, volume)
    status = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
    await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "data", {"status": status}, namespace="default", subresource="status")


def using(name: str, script: str, **more: Any) -> Object:
    container = shell(script, volumeMounts=[{"name": "v", "mountPath": "/data"}])
    return pod(name, container, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], restartPolicy="Never", **more)


async def let_go(cluster: Cluster) -> None:
    """Nothing of a driver's volumes is mounted any more."""
    async with asyncio.timeout(20):
        while left := [each for each in mounts_below(cluster.config.kubelet_dir) if "kubernetes.io" in each and "csi" in each]:
            await asyncio.sleep(0.05)
    assert not left


async def test_what_a_pod_writes_to_a_drivers_volume_the_next_one_reads(cluster: Cluster) -> None:
    async with driven(cluster, "--segment", "topology.folders.test/rack=r1", "--max-volumes", "5") as store:
        found = await shown(cluster, DRIVER)
        assert found["spec"]["drivers"] == [
            {"name": DRIVER, "nodeID": "here", "topologyKeys": ["topology.folders.test/rack"], "allocatable": {"count": 5}}
        ]
        assert meta.labels(await cluster.client.get(NODES, "n1"))["topology.folders.test/rack"] == "r1"
        await bound(cluster, store, fsType="ext4")
        await cluster.finish(using("writes", "echo kept > /data/file; mount | grep -c ' /data '", securityContext={"fsGroup": 77}))
        assert (await cluster.logs("writes")).strip() == "1"
        await cluster.delete("writes")
        await let_go(cluster)
        assert (store.data("vol-1") / "file").stat().st_gid == 77
        await cluster.finish(using("reads", "cat /data/file"))
        assert await cluster.logs("reads") == "kept\n"
        await cluster.delete("reads")
        await let_go(cluster)


async def test_a_volume_of_a_pods_own_comes_and_goes_with_it(cluster: Cluster) -> None:
    async with driven(cluster, volumeLifecycleModes=["Ephemeral"]) as store:
        container = shell("echo mine > /data/file; cat /data/file", volumeMounts=[{"name": "v", "mountPath": "/data"}])
        await cluster.finish(pod("own", container, volumes=[{"name": "v", "csi": {"driver": DRIVER}}], restartPolicy="Never"))
        assert await cluster.logs("own") == "mine\n"
        await cluster.delete("own")
        assert list(store.volumes()) == []


async def test_a_pod_waits_for_its_driver_and_starts_when_that_comes(cluster: Cluster) -> None:
    store = Store(root_of(cluster))
    await bound(cluster, store)
    await cluster.create(using("early", "echo there > /data/file"))
    said = await cluster.said("early", "FailedMount")
    assert f"driver name {DRIVER} not found in the list of registered CSI drivers" in said["message"]
    async with driven(cluster):
        await cluster.until("early", lambda found: found["status"].get("phase") == "Succeeded")
        await cluster.delete("early")
        await let_go(cluster)


async def test_a_driver_that_goes_is_shown_to_be_gone_and_its_volumes_wait_for_it(cluster: Cluster) -> None:
    async with driven(cluster) as store:
        await bound(cluster, store)
        await cluster.run(using("web", "echo kept > /data/file; trap 'exit 0' TERM; sleep 1000 & wait"))
        await cluster.delete("driver")
        await shown(cluster)
        assert (await cluster.shell("web", "cat /data/file"))[0] == "kept\n"
        await cluster.client.delete(PODS, "web", "default")
        await cluster.said("web", "FailedUnmount")
        await cluster.run(driver_pod("driver", BUSYBOX, root_of(cluster), nodeName="n1"))
        await cluster.gone("web", 40)
        await let_go(cluster)
