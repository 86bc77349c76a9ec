"""Claims of real pods: a volume outlives its pod, holds no more than it should, and nothing is left of it when its claim is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.aio.tasks import scope
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.engine.apiserver.identity import CONTROLLER_MANAGER
from pilothouse.engine.boot.control import SERVED
from pilothouse.engine.controllers.node.controller import NodeLifecycleController
from pilothouse.engine.controllers.persistentvolume.attributes import AttributesController
from pilothouse.engine.controllers.persistentvolume.controller import PersistentVolumeController
from pilothouse.engine.controllers.persistentvolume.ephemeral import EphemeralVolumeController
from pilothouse.engine.controllers.persistentvolume.expansion import ExpandController
from pilothouse.engine.controllers.persistentvolume.protection import ClaimProtection, VolumeProtection
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.host import io_limits
from pilothouse.engine.node.local_volumes import image, loops, serving, xfs
from pilothouse.engine.node.local_volumes.copying import Progress
from pilothouse.engine.node.local_volumes.snapshots import LocalSnapshots
from pilothouse.engine.node.local_volumes.store import LOOP, LocalVolumes, Wanted
from pilothouse.engine.scheduler.scheduler import Scheduler
from pilothouse.model import meta
from pilothouse.model.io_limits import IoLimits
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS, PERSISTENTVOLUMES, VOLUMEATTRIBUTESCLASSES
from pilothouse.model.resource import Resource
from pilothouse.model.volumes import ENFORCEMENT, LOCAL_PROVISIONER
from tests.e2e.node.pods import Cluster, pod, shell
from tests.people import SCHEDULER, client_of, controller_client

pytestmark = pytest.mark.containers
MIB = 2**20


class OfAgent:
    """Asks the agent of this process for what the control plane asks a node for."""

    def __init__(self, local: LocalVolumes) -> None:
        self._local = local
        self._snapshots = LocalSnapshots(local)

    async def ensure(self, node: str, name: str, size_bytes: int, mode: str = "", source: str = "") -> Object:
        made = await self._local.ensure(name, Wanted(size_bytes, mode, source))
        return {"copiedBytes": made.copied_bytes} if isinstance(made, Progress) else serving.shown(made)

    async def remove(self, node: str, name: str) -> None:
        await self._local.remove(name)

    async def confirm(self, node: str, name: str) -> None:
        await self._local.confirm(name)

    async def limit(self, node: str, name: str, limits: IoLimits) -> None:
        await self._local.limit(name, limits)

    async def unconfirmed(self, node: str) -> list[str]:
        return await self._local.unconfirmed()

    async def take_snapshot(self, node: str, name: str, volume: str) -> Object:
        taken = await self._snapshots.ensure(name, volume)
        return {"copiedBytes": taken.copied_bytes} if isinstance(taken, Progress) else serving.shown_snapshot(taken)

    async def snapshot(self, node: str, name: str) -> Object:
        return serving.shown_snapshot(await self._snapshots.look(name))

    async def remove_snapshot(self, node: str, name: str) -> None:
        await self._snapshots.remove(name)


@asynccontextmanager
async def controlled(cluster: Cluster) -> AsyncIterator[None]:
    """With scheduler and the controllers of volumes, each with its own rights."""
    server, nodes = cluster.server, OfAgent(cluster.agent.local_volumes)
    informers = Informers(client_of(server, CONTROLLER_MANAGER))
    recorder = Recorder(client_of(server, CONTROLLER_MANAGER), None, "controller-manager")
    of = lambda name: controller_client(server, name)  # noqa: E731
    parts: list[Any] = [
        NodeLifecycleController(of("node-controller"), informers, recorder),
        PersistentVolumeController(of("persistent-volume-binder"), informers, recorder, nodes),
        ExpandController(of("expand-controller"), informers, recorder, nodes),
        AttributesController(of("expand-controller"), informers, recorder, nodes),
        ClaimProtection(of("pvc-protection-controller"), informers),
        VolumeProtection(of("pv-protection-controller"), informers),
        EphemeralVolumeController(of("ephemeral-volume-controller"), informers, recorder),
        Scheduler(client_of(server, SCHEDULER), informers, Recorder(None, None, "scheduler"), served=SERVED),
    ]
    async with scope() as tasks:
        tasks.spawn(recorder.run())
        await tasks.start(informers.run)
        for part in parts:
            await tasks.start(part.run)
        yield
        tasks.cancel()


def claim(name: str, size: str = "16Mi", **spec: Any) -> Object:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": wanted | spec}


def using(name: str, script: str, claim_name: str = "data", **more: Any) -> Object:
    """A pod that the scheduler places."""
    container = shell(script, volumeMounts=[{"name": "v", "mountPath": "/data"}])
    found = pod(name, container, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}], restartPolicy="Never", **more)
    del found["spec"]["nodeName"]
    return found


async def gone(cluster: Cluster, resource: Resource, *names: str) -> None:
    async with asyncio.timeout(20):
        while any([await cluster.client.get_or_none(resource, each, "default" if resource.namespaced else None) for each in names]):
            await asyncio.sleep(0.05)


async def folder_of(cluster: Cluster, name: str) -> Path:
    """Where the volume of a claim lies."""
    found = await cluster.client.get(PERSISTENTVOLUMECLAIMS, name, "default")
    folder = cluster.config.volumes_dir / found["spec"]["volumeName"]
    assert folder.exists()
    return folder


async def vanished(folder: Path) -> None:
    async with asyncio.timeout(20):
        while folder.exists():
            await asyncio.sleep(0.05)


async def test_what_a_pod_writes_the_next_one_reads_and_a_full_volume_hurts_its_pod_alone(cluster: Cluster) -> None:
    async with controlled(cluster):
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("data"))
        await cluster.finish(
            using("writes", "echo kept > /data/file; df -m /data | tail -n 1 | awk '{print $2}'; id -G", securityContext={"fsGroup": 77})
        )
        first, groups = (await cluster.logs("writes")).splitlines()
        assert int(first) <= 16
        assert "77" in groups.split()
        await cluster.delete("writes")
        fills = "; ".join(
            (
                "cat /data/file",
                "ls -ln /data/file | awk '{print $4}'",
                "dd if=/dev/zero of=/data/big bs=1M count=64 2>&1 | grep -o 'No space left on device'",
            )
        )
        await cluster.finish(using("reads", fills))
        assert (await cluster.logs("reads")).splitlines() == ["kept", "77", "No space left on device"]
        bound = await cluster.client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
        volume = await cluster.client.get(PERSISTENTVOLUMES, bound["spec"]["volumeName"])
        assert (bound["status"]["phase"], bound["status"]["capacity"]) == ("Bound", {"storage": "16Mi"})
        assert meta.annotations(volume)[ENFORCEMENT] == LOOP

        # In use, it stays, and so does the data.
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
        file = cluster.config.volumes_dir / meta.name(volume) / "image"
        dying = await cluster.client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
        assert meta.is_deleting(dying)
        assert file.exists()
        await cluster.delete("reads")
        await gone(cluster, PERSISTENTVOLUMECLAIMS, "data")
        await gone(cluster, PERSISTENTVOLUMES, meta.name(volume))
        assert not file.parent.exists()
        assert not mounts_below(cluster.config.volumes_dir)
        assert not loops.devices(file)


async def test_parts_of_a_volume_are_mounted_and_it_grows_when_no_pod_has_it(cluster: Cluster) -> None:
    mounts = [{"name": "v", "mountPath": "/part", "subPath": "a/b"}, {"name": "v", "mountPath": "/whole", "readOnly": True}]
    shows = "cat /whole/a/b/file; touch /whole/y 2>&1 | grep -o 'Read-only file system'; df -m /part | tail -n 1 | awk '{print $2}'"
    looks = f"echo x > /part/file; {shows}"
    async with controlled(cluster):
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("data"))
        wanted = using("first", f"{looks}; sleep 1000")
        wanted["spec"]["containers"][0]["volumeMounts"] = mounts
        uid = meta.uid(await cluster.run(wanted))
        async with asyncio.timeout(20):
            while len(said := (await cluster.logs("first")).splitlines()) < 3:
                await asyncio.sleep(0.05)
        assert said[:2] == ["x", "Read-only file system"]
        larger = {"spec": {"resources": {"requests": {"storage": "64Mi"}}}}
        await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "data", larger, namespace="default")
        # At once where the kernel allows it, else when the next pod begins.
        await cluster.delete("first", grace_s=0)
        await vanished(cluster.config.pod_dir(uid))
        await cluster.finish(using("second", "df -m /data | tail -n 1 | awk '{print $2}'"))
        assert int(said[2]) < 16 < int(await cluster.logs("second")) <= 64
        await cluster.delete("second")
        folder = await folder_of(cluster, "data")
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
        await vanished(folder)


@pytest.mark.skipif(image.can_grow_mounted() or not xfs.is_usable(), reason="volumes are ext4 on this machine")
async def test_a_volume_grows_under_its_pod_where_the_kernel_grows_no_mounted_ext4(cluster: Cluster) -> None:
    async with controlled(cluster):
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("data", "300Mi"))
        uid = meta.uid(await cluster.run(using("first", "while :; do df -m /data | tail -n 1 | awk '{print $2}'; sleep 0.1; done")))
        larger = {"spec": {"resources": {"requests": {"storage": "400Mi"}}}}
        await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "data", larger, namespace="default")
        async with asyncio.timeout(20):
            while int((await cluster.logs("first")).splitlines()[-1]) < 300:
                await asyncio.sleep(0.1)
        await cluster.delete("first", grace_s=0)
        await vanished(cluster.config.pod_dir(uid))
        folder = await folder_of(cluster, "data")
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
        await vanished(folder)


@pytest.mark.skipif(bool(io_limits.trouble()), reason=io_limits.trouble())
async def test_a_pod_writes_as_fast_as_the_class_of_its_claim_says(cluster: Cluster) -> None:
    now = "cut -d ' ' -f 1 /proc/uptime"
    writes = f"a=$({now}); dd if=/dev/zero of=/data/file bs=1M count=6 conv=fsync 2>/dev/null; echo $a $({now}) | awk '{{print $2-$1}}'"
    modest = {"metadata": {"name": "modest"}, "driverName": LOCAL_PROVISIONER, "parameters": {"throughput": "2Mi"}}
    async with controlled(cluster):
        await cluster.client.create(VOLUMEATTRIBUTESCLASSES, modest)
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("data", volumeAttributesClassName="modest"))
        # The class holds from when the claim is bound, and surely for the pod after that.
        await cluster.finish(using("first", "true"))
        async with asyncio.timeout(20):
            while not await is_modest(cluster):
                await asyncio.sleep(0.05)
        await cluster.finish(using("second", writes))
        assert 2.0 < float(await cluster.logs("second")) < 10.0
        for name in ("first", "second"):
            await cluster.delete(name)
        folder = await folder_of(cluster, "data")
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
        await vanished(folder)


async def is_modest(cluster: Cluster) -> bool:
    found = await cluster.client.get(PERSISTENTVOLUMECLAIMS, "data", "default")
    return (found.get("status") or {}).get("currentVolumeAttributesClassName") == "modest"


async def test_the_volume_of_an_ephemeral_claim_goes_with_its_pod(cluster: Cluster) -> None:
    async with controlled(cluster):
        wanted = using("scratch", "echo y > /data/file && cat /data/file")
        template = {"spec": claim("unused")["spec"]}
        wanted["spec"]["volumes"] = [{"name": "v", "ephemeral": {"volumeClaimTemplate": template}}]
        made = await cluster.finish(wanted)
        assert await cluster.logs("scratch") == "y\n"
        await cluster.delete("scratch")
        # What the garbage collector does in a whole cluster.
        found = await cluster.client.get(PERSISTENTVOLUMECLAIMS, "scratch-v", "default")
        assert (meta.controller_of(found) or {})["uid"] == meta.uid(made)
        folder = await folder_of(cluster, "scratch-v")
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "scratch-v", "default")
        await vanished(folder)
