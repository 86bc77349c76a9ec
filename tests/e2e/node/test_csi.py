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
from pilothouse.model.kinds import CSINODES, NODES, PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, PODS
from tests.csi_driver.pod import driver_pod
from tests.csi_driver.store import Store, Volume
from tests.e2e.node.bound import DRIVER, bind, introduce, source
from tests.e2e.node.pods import BUSYBOX, SLEEPER, Cluster, pod, shell

pytestmark = pytest.mark.containers


@asynccontextmanager
async def driven(cluster: Cluster, *words: str, **spec: Any) -> AsyncIterator[Store]:
    """With the driver as a pod, registered. spec: of its CSIDriver."""
    root = root_of(cluster)
    await introduce(cluster.client, **spec)
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


async def bound(cluster: Cluster, store: Store, handle: str = "vol-1", **more: Any) -> None:
    """A claim `data` of a volume that the driver has."""
    store.write(Volume(handle))
    await bind(cluster.client, "data", f"pv-{handle}", **source(handle, **more))


def using(name: str, script: str, *, mount: Object | None = None, **more: Any) -> Object:
    container = shell(script, volumeMounts=[{"name": "v", "mountPath": "/data"} | (mount or {})])
    return pod(name, container, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], restartPolicy="Never", **more)


async def let_go(cluster: Cluster) -> None:
    """Nothing of a driver's volumes is mounted any more."""
    async with asyncio.timeout(20):
        while any("kubernetes.io" in each and "csi" in each for each in mounts_below(cluster.config.kubelet_dir)):
            await asyncio.sleep(0.05)


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
        await cluster.finish(using("reads", "cat /data/file", mount={"subPath": "file", "mountPath": "/data/file", "readOnly": True}))
        assert await cluster.logs("reads") == "kept\n"
        await cluster.delete("reads")
        await let_go(cluster)


async def test_a_volume_of_a_pods_own_comes_and_goes_with_it(cluster: Cluster) -> None:
    async with driven(cluster, volumeLifecycleModes=["Ephemeral"]) as store:
        container = shell("echo mine > /data/file; cat /data/file", volumeMounts=[{"name": "v", "mountPath": "/data"}])
        await cluster.finish(pod("own", container, volumes=[{"name": "v", "csi": {"driver": DRIVER}}], restartPolicy="Never"))
        assert await cluster.logs("own") == "mine\n"
        await cluster.delete("own")
        await let_go(cluster)
        assert list(store.volumes()) == []


async def test_a_pod_waits_for_its_driver_and_starts_when_that_comes(cluster: Cluster) -> None:
    await bound(cluster, Store(root_of(cluster)))
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
        await cluster.run(using("web", f"echo kept > /data/file; {SLEEPER}"))
        await cluster.delete("driver")
        await shown(cluster)
        assert (await cluster.shell("web", "cat /data/file"))[0] == "kept\n"
        await cluster.client.delete(PODS, "web", "default")
        await cluster.said("web", "FailedUnmount")
        await cluster.run(driver_pod("driver", BUSYBOX, root_of(cluster), nodeName="n1"))
        await cluster.gone("web", 40)
        await let_go(cluster)


async def test_a_block_volume_is_a_device_in_its_pod(cluster: Cluster) -> None:
    async with driven(cluster) as store:
        store.write(Volume("vol-b", bytes=1 << 20, block=True))
        await bind(cluster.client, "data", "pv-b", volumeMode="Block", **source("vol-b"))
        script = "test -b /dev/xvda && echo written > /dev/xvda && head -c 7 /dev/xvda"
        container = shell(script, volumeDevices=[{"name": "v", "devicePath": "/dev/xvda"}])
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        await cluster.finish(pod("raw", container, volumes=volumes, restartPolicy="Never"))
        assert await cluster.logs("raw") == "written"
        await cluster.delete("raw")
        await let_go(cluster)
        assert store.image("vol-b").read_bytes()[:7] == b"written"


async def test_a_volume_that_has_grown_grows_here_and_its_claim_says_so(cluster: Cluster) -> None:
    async with driven(cluster) as store:
        await bound(cluster, store)
        await cluster.client.patch(PERSISTENTVOLUMES, "pv-vol-1", {"spec": {"capacity": {"storage": "2Gi"}}})
        await cluster.run(using("web", SLEEPER))
        await cluster.said("web", "FileSystemResizeSuccessful")
        claim = await cluster.client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
        assert claim["status"]["capacity"] == {"storage": "2Gi"}
        assert store.volume("vol-1").node_bytes == 2 << 30
        await cluster.delete("web", 1)
        await let_go(cluster)
