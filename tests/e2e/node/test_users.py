"""Pods whose users are not the machine's, as real containers."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS
from tests.e2e.node.pods import Cluster, pod, shell

pytestmark = pytest.mark.containers
VOLUMES: list[Object] = [
    {"name": "disk", "emptyDir": {}},
    {"name": "memory", "emptyDir": {"medium": "Memory"}},
    {"name": "map", "configMap": {"name": "m", "defaultMode": 0o400}},
]
MOUNTS: list[Object] = [
    {"name": "disk", "mountPath": "/disk"},
    {"name": "disk", "mountPath": "/part", "subPath": "a/b"},
    {"name": "memory", "mountPath": "/memory"},
    {"name": "map", "mountPath": "/map"},
]
WRITES = "for each in /disk /part /memory; do touch $each/mine && stat -c '%u %n' $each/mine; done; cat /map/key; cat /proc/self/uid_map"


async def test_root_in_a_pod_with_users_of_its_own_is_nobody_on_the_machine_and_has_its_volumes(cluster: Cluster) -> None:
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "m", "namespace": "default"}, "data": {"key": "value\n"}})
    wanted = pod("own", shell(f"{WRITES}; touch /ready; exec sleep 1000", volumeMounts=MOUNTS), volumes=VOLUMES, hostUsers=False)
    found = await cluster.run(wanted)
    async with asyncio.timeout(25):
        while len(said := (await cluster.logs("own")).splitlines()) < 5:
            await asyncio.sleep(0.05)
    assert said[:4] == ["0 /disk/mine", "0 /part/mine", "0 /memory/mine", "value"]
    first = int(said[4].split()[1])
    assert first >= 1 << 30
    owners = {path.stat().st_uid for path in Path("/proc").glob("[0-9]*") if _command(path) == "sleep\x001000\x00"}
    assert first in owners
    folder = cluster.config.pod_dir(found["metadata"]["uid"]) / "volumes"
    assert {each.stat().st_uid for each in folder.rglob("mine")} == {0}
    assert await cluster.shell("own", "id -u; echo x > /disk/more; cat /disk/more") == ("0\nx\n", 0)
    await cluster.delete("own", grace_s=0)


def _command(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


async def test_two_pods_have_different_users(cluster: Cluster) -> None:
    for name in ("one", "two"):
        await cluster.finish(pod(name, shell("cat /proc/self/uid_map"), hostUsers=False, restartPolicy="Never"))
    # The folder of a pod that has ended is gone, and with it its range: both must be there at once.
    await cluster.run(pod("three", shell("cat /proc/self/uid_map; sleep 1000"), hostUsers=False))
    await cluster.run(pod("four", shell("cat /proc/self/uid_map; sleep 1000"), hostUsers=False))
    assert (await cluster.logs("three")) != (await cluster.logs("four"))
    for name in ("three", "four"):
        await cluster.delete(name, grace_s=0)


async def test_an_open_proc_is_the_pods_own(cluster: Cluster) -> None:
    script = "mount | grep -c ' /proc/' ; (echo 1 > /proc/sys/vm/drop_caches) 2>/dev/null || echo refused"
    open_proc = shell(script, securityContext={"procMount": "Unmasked"})
    await cluster.finish(pod("open", open_proc, hostUsers=False, restartPolicy="Never"))
    assert await cluster.logs("open") == "0\nrefused\n"
