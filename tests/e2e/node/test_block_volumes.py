"""Block volumes of real pods: a device without a file system, which outlives its pod and is nobody else's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pilothouse.engine.node.local_volumes import loops
from pilothouse.model.json import Object
from pilothouse.model.kinds import PERSISTENTVOLUMECLAIMS
from tests.e2e.node.pods import Cluster, pod, shell
from tests.e2e.node.test_claims import claim, controlled, folder_of, vanished

pytestmark = pytest.mark.containers


def having(name: str, script: str, **more: Any) -> Object:
    """A pod that has the block volume of the claim `data`, which the scheduler places."""
    container = shell(script, volumeDevices=[{"name": "v", "devicePath": "/dev/xvda"}], **more)
    found = pod(name, container, volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}], restartPolicy="Never")
    del found["spec"]["nodeName"]
    return found


async def test_a_device_keeps_what_was_written_grows_under_its_pod_and_is_detached_after_it(cluster: Cluster) -> None:
    async with controlled(cluster):
        await cluster.client.create(PERSISTENTVOLUMECLAIMS, claim("data", volumeMode="Block"))
        writes = having("writes", "test -b /dev/xvda && echo kept | dd of=/dev/xvda conv=fsync 2>/dev/null")
        # An init container has the same device.
        writes["spec"]["initContainers"] = [{**writes["spec"]["containers"][0], "name": "first", "command": ["test", "-b", "/dev/xvda"]}]
        await cluster.finish(writes)
        folder = await folder_of(cluster, "data")
        await cluster.delete("writes")
        await detached(folder)

        # Without privileges, and with a volume that is read-only: the kernel's device rules hold.
        reads = having("reads", "head -c 4 /dev/xvda; dd if=/dev/zero of=/dev/xvda bs=1 count=1 2>&1 | grep -o 'Operation not permitted'")
        reads["spec"]["volumes"][0]["persistentVolumeClaim"]["readOnly"] = True
        await cluster.finish(reads)
        assert await cluster.logs("reads") == "keptOperation not permitted\n"
        await cluster.delete("reads")

        stays = having("stays", "while true; do blockdev --getsize64 /dev/xvda; sleep 0.1; done")
        await cluster.run(stays)
        larger = {"spec": {"resources": {"requests": {"storage": "32Mi"}}}}
        await cluster.client.patch(PERSISTENTVOLUMECLAIMS, "data", larger, namespace="default")
        async with asyncio.timeout(20):
            while str(32 * 2**20) not in await cluster.logs("stays"):
                await asyncio.sleep(0.1)
        assert loops.devices(folder / "image")
        await cluster.delete("stays", grace_s=0)
        await detached(folder)
        await cluster.client.delete(PERSISTENTVOLUMECLAIMS, "data", "default")
        await vanished(folder)


async def detached(folder: Path) -> None:
    async with asyncio.timeout(20):
        while loops.devices(folder / "image"):
            await asyncio.sleep(0.05)
