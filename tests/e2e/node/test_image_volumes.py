"""Images as volumes of real pods."""

import asyncio

import pytest

from pilothouse.aio.process import run
from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.model.json import Object
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import BUSYBOX, Cluster, container, pod, shell, waits_for

pytestmark = pytest.mark.containers
LOOKS = (
    "ls /image/bin/busybox; touch /image/x 2>&1 | grep -o 'Read-only file system'; "
    "/image/bin/busybox true 2>&1 | grep -o 'Permission denied'; mount | grep ' /image ' | grep -o noexec; ls /part/busybox; sleep 1000"
)
MOUNTS: list[Object] = [
    {"name": "v", "mountPath": "/image", "readOnly": True},
    {"name": "v", "mountPath": "/part", "subPath": "bin"},
]
SAYS = ["/image/bin/busybox", "Read-only file system", "Permission denied", "noexec", "/part/busybox"]


def wanted(name: str, reference: str, policy: str = "IfNotPresent", **more: object) -> Object:
    volumes = [{"name": "v", "image": {"reference": reference, "pullPolicy": policy}}]
    return pod(name, shell(LOOKS, volumeMounts=MOUNTS), volumes=volumes, **more)


async def has_view(machine: Machine, uid: str) -> bool:
    ctr = ("ctr", "-a", str(machine.containerd.socket), "-n", "k8s.io", "snapshots", "ls")
    done = await run(ctr, timeout_s=10)
    return f"pilothouse-volume-{uid}-v" in done.stdout.decode()


@pytest.mark.parametrize("host_users", [True, False])
async def test_an_image_can_be_read_but_not_written_or_run_and_goes_with_its_pod(
    cluster: Cluster, machine: Machine, host_users: bool
) -> None:
    found = await cluster.run(wanted("looks", BUSYBOX, hostUsers=host_users))
    uid = found["metadata"]["uid"]
    async with asyncio.timeout(25):
        while (await cluster.logs("looks")).splitlines() != SAYS:
            await asyncio.sleep(0.05)
    assert await has_view(machine, uid)
    await cluster.delete("looks", grace_s=0)
    async with asyncio.timeout(25):
        while cluster.config.pod_dir(uid).exists():
            await asyncio.sleep(0.05)
    assert not mounts_below(cluster.config.pod_dir(uid))
    assert not await has_view(machine, uid)


async def test_an_image_that_cannot_be_had_is_said_and_the_pod_can_be_deleted(cluster: Cluster) -> None:
    await cluster.create(wanted("lost", "127.0.0.1:1/absent:1"))
    said = await cluster.said("lost", "Failed")
    assert said["message"].startswith('Failed to pull image "127.0.0.1:1/absent:1"')
    waits = await cluster.until("lost", waits_for("ImagePullBackOff"))
    assert "127.0.0.1:1/absent:1" in container(waits)["state"]["waiting"]["message"]
    await cluster.delete("lost", timeout_s=5)


async def test_an_image_that_may_not_be_pulled_is_said(cluster: Cluster) -> None:
    await cluster.create(wanted("never", "127.0.0.1:1/absent:1", "Never"))
    assert "is not present with pull policy of Never" in (await cluster.said("never", "Failed"))["message"]
    await cluster.until("never", waits_for("ErrImageNeverPull"))
    await cluster.delete("never", grace_s=0)
