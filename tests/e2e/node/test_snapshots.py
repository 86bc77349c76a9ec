"""Snapshots of volumes that real pods write to: a volume made of one has what was there at that moment, and a clone what is there now."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import CONTROLLER_MANAGER
from pilothouse.engine.controllers.persistentvolume.clones import CloneProtection
from pilothouse.engine.controllers.snapshot.controller import SnapshotController
from pilothouse.engine.controllers.snapshot.local import LocalSnapshotDriver
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from pilothouse.model.snapshots import VOLUMESNAPSHOTCLASSES, VOLUMESNAPSHOTCONTENTS, VOLUMESNAPSHOTS
from pilothouse.model.volumes import LOCAL_PROVISIONER
from tests.e2e.node.pods import Cluster
from tests.e2e.node.test_claims import OfAgent, claim, controlled, folder_of, gone, using, vanished
from tests.people import client_of, controller_client

pytestmark = pytest.mark.containers


@asynccontextmanager
async def taking_snapshots(cluster: Cluster) -> AsyncIterator[None]:
    """With the snapshot controller beside those of `controlled`."""
    server = cluster.server
    informers = Informers(client_of(server, CONTROLLER_MANAGER))
    recorder = Recorder(client_of(server, CONTROLLER_MANAGER), None, "snapshot-controller")
    drivers = {LOCAL_PROVISIONER: LocalSnapshotDriver(OfAgent(cluster.agent.local_volumes))}
    parts = [
        SnapshotController(controller_client(server, "snapshot-controller"), informers, recorder, drivers),
        CloneProtection(controller_client(server, "persistent-volume-binder"), informers),
    ]
    async with controlled(cluster), scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        for part in parts:
            await tasks.start(part.run)
        yield
        tasks.cancel()


async def until_ready(cluster: Cluster, name: str) -> Object:
    async with asyncio.timeout(30):
        while True:
            found = await cluster.client.get(VOLUMESNAPSHOTS, name, "default")
            if (found.get("status") or {}).get("readyToUse"):
                return found
            await asyncio.sleep(0.05)


async def until_served(cluster: Cluster) -> None:
    async with asyncio.timeout(20):
        while await cluster.client.get_or_none(VOLUMESNAPSHOTCLASSES, "local") is None:
            await asyncio.sleep(0.05)


async def test_a_volume_goes_back_to_its_snapshot_and_on_as_a_clone(cluster: Cluster) -> None:
    """The pod writes all the while; nothing is left of any of it in the end."""
    writes = "echo first > /data/state; while true; do date +%s%N >> /data/log; sleep 0.01; done"
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "before"}
    async with taking_snapshots(cluster):
        await until_served(cluster)
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("data"))
        await cluster.run(using("writes", writes))
        taken = {"metadata": {"name": "before", "namespace": "default"}, "spec": {"source": {"persistentVolumeClaimName": "data"}}}
        await cluster.client.create(VOLUMESNAPSHOTS, taken)
        found = await until_ready(cluster, "before")
        assert found["status"]["restoreSize"] == "16Mi"
        assert await cluster.shell("writes", "echo second > /data/state && cat /data/state") == ("second\n", 0)

        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("restored", "32Mi", dataSourceRef=source))
        shows = "cat /data/state; test -s /data/log && df -m /data | tail -n 1 | awk '{print ($2 > 16)}'"
        await cluster.finish(using("reads", shows, "restored"))
        assert (await cluster.logs("reads")).splitlines() == ["first", "1"]

        clone = {"kind": "PersistentVolumeClaim", "name": "data"}
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("clone", dataSourceRef=clone))
        await cluster.finish(using("looks", "cat /data/state; echo own > /data/state", "clone"))
        assert await cluster.logs("looks") == "second\n"
        assert await cluster.shell("writes", "cat /data/state") == ("second\n", 0)

        folders = [await folder_of(cluster, name) for name in ("data", "restored", "clone")]
        for name in ("writes", "reads", "looks"):
            await cluster.delete(name, grace_s=0)
        await cluster.client.delete(VOLUMESNAPSHOTS, "before", "default")
        for name in ("data", "restored", "clone"):
            await cluster.client.delete(PERSISTENTVOLUMECLAIMS, name, "default")
        for folder in folders:
            await vanished(folder)
        await gone(cluster, VOLUMESNAPSHOTCONTENTS, f"snapcontent-{meta.uid(found)}")
        await gone(cluster, VOLUMESNAPSHOTS, "before")
        assert not list(cluster.config.volumes_dir.iterdir())
        assert not mounts_below(cluster.config.volumes_dir)
