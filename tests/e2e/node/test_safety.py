"""What containers must not be able to do to the node's files, with real containers that try."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from pilothouse.engine.node.files.mountpoints import mounts_below
from pilothouse.engine.node.images.archive import load_archive, write_archive
from pilothouse.model.json import Object
from pilothouse.model.kinds import CONFIGMAPS, PODS, SECRETS
from tests.e2e.node.conftest import Machine
from tests.e2e.node.pods import Cluster, container, ended, is_ready, pod, shell

pytestmark = pytest.mark.containers


async def test_files_of_the_node_are_read_only_in_containers(cluster: Cluster) -> None:
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "cmv", "namespace": "default"}, "data": {"a.txt": "v1"}})
    await cluster.client.create(SECRETS, {"metadata": {"name": "sec", "namespace": "default"}, "stringData": {"k": "v"}})
    volumes = [
        {"name": "cm", "configMap": {"name": "cmv"}},
        {"name": "sec", "secret": {"secretName": "sec"}},
        {"name": "proj", "projected": {"sources": [{"configMap": {"name": "cmv"}}]}},
        {"name": "dapi", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes]
    mounts.append({"name": "cm", "mountPath": "/one", "subPath": "a.txt"})
    script = "for f in /cm/new /sec/new /proj/new /dapi/new /one; do echo x > $f; done 2>&1; cat /one"
    await cluster.finish(pod("ro", shell(script, volumeMounts=mounts), volumes=volumes, restartPolicy="Never"))
    said = await cluster.logs("ro")
    assert said.count("Read-only file system") == 5
    assert "v1" in said


SWAP = "cd /s; mkdir -p d; while :; do mv d d2; ln -s / d; rm d; mv d2 d; done"


@pytest.mark.slow
async def test_a_sub_path_that_is_swapped_for_a_link_never_shows_the_node(cluster: Cluster) -> None:
    """One container swaps the folder without pause; the other starts again and again and looks at what it got."""
    look = "[ -e /d/etc ] && { ls /d/; exit 9; }; exit 1"
    volumes = [{"name": "s", "emptyDir": {}}]
    quick = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    swapper = shell(SWAP, "swapper", volumeMounts=[{"name": "s", "mountPath": "/s"}], restartPolicy="Always")
    victim = shell(look, volumeMounts=[{"name": "s", "mountPath": "/d", "subPath": "d"}])
    looked = 0
    for attempt in range(16):
        name = f"swap{attempt}"
        await cluster.create(pod(name, victim, initContainers=[swapper], volumes=volumes, **quick))
        # A link that is there at that moment is refused: then the next pod tries its luck, which is sooner than the back-off.
        found = await cluster.until(name, lambda found: ended(found) or is_refused(found))
        state = container(found)["state"].get("terminated") or {}
        assert state.get("exitCode") != 9, await cluster.logs(name, container="main")
        await cluster.delete(name, grace_s=0)
        looked += bool(state)
        if looked == 4:
            return
    assert looked, "no container has come to look"


def is_refused(found: Object) -> bool:
    waiting = (container(found).get("state") or {}).get("waiting") or {}
    return str(waiting.get("reason")).endswith("Error")


async def test_sub_paths_are_unmounted_with_their_pod(cluster: Cluster, machine: Machine) -> None:
    volumes = [{"name": "s", "emptyDir": {}}]
    mounts = [{"name": "s", "mountPath": "/a", "subPath": "x/y"}, {"name": "s", "mountPath": "/s"}]
    await cluster.run(pod("sub", shell(volumeMounts=mounts), volumes=volumes))
    said, _ = await cluster.shell("sub", "echo hello > /a/file; cat /s/x/y/file")
    assert said == "hello\n"
    assert mounts_below(machine.config.pods_dir)
    await cluster.delete("sub", grace_s=0)
    async with asyncio.timeout(25):
        while mounts_below(machine.config.pods_dir) or any(machine.config.pods_dir.iterdir()):
            await asyncio.sleep(0.02)


async def test_a_changed_configmap_reaches_a_running_container_and_no_folder_of_the_node(cluster: Cluster, tmp_path: Path) -> None:
    """A link that stands where the current set should be is replaced; what it leads to is left alone."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("data")
    await cluster.client.create(CONFIGMAPS, {"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "one"}})
    volumes = [{"name": "cm", "configMap": {"name": "cm"}}]
    found = await cluster.run(pod("cfg", shell(volumeMounts=[{"name": "cm", "mountPath": "/cm"}]), volumes=volumes))
    folder = cluster.config.memory_dir / found["metadata"]["uid"] / "kubernetes.io~configmap" / "cm"
    (folder / "..data").unlink()
    (folder / "..data").symlink_to(victim)
    await cluster.client.patch(CONFIGMAPS, "cm", {"data": {"a": "two"}}, namespace="default")
    async with asyncio.timeout(25):
        while (await cluster.shell("cfg", "cat /cm/a"))[0] != "two":
            await asyncio.sleep(0.05)
    assert (victim / "precious").exists()


async def test_a_missing_configmap_keeps_only_its_own_volume(cluster: Cluster) -> None:
    volumes = [{"name": "gone", "configMap": {"name": "gone"}}, {"name": "cm", "configMap": {"name": "there"}}]
    for name in ("gone", "there"):
        await cluster.client.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default"}, "data": {"a": "one"}})
    mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes]
    await cluster.run(pod("partly", shell(volumeMounts=mounts), volumes=volumes))
    await cluster.client.delete(CONFIGMAPS, "gone", "default")
    await cluster.client.patch(CONFIGMAPS, "there", {"data": {"a": "two"}}, namespace="default")
    async with asyncio.timeout(25):
        while (await cluster.shell("partly", "cat /cm/a"))[0] != "two":
            await asyncio.sleep(0.05)
    assert (await cluster.shell("partly", "cat /gone/a"))[0] == "one"
    await cluster.said("partly", "FailedMount")
    assert is_ready(await cluster.client.get(PODS, "partly", "default"))


async def test_a_group_of_ones_own_leaves_the_images_user(cluster: Cluster, machine: Machine, tmp_path: Path) -> None:
    busybox = Path(shutil.which("busybox") or "").read_bytes()
    links = {f"bin/{name}": "busybox" for name in ("sh", "id")}
    write_archive(tmp_path / "user.tar", "docker.io/library/user:1", {"bin/busybox": busybox}, links, {"User": "1000"})
    await load_archive(machine.containerd.socket, tmp_path / "user.tar")
    context = {"runAsNonRoot": True, "runAsGroup": 3000}
    container = {"name": "main", "image": "docker.io/library/user:1", "command": ["/bin/sh", "-c", "/bin/id -u; /bin/id -g"]}
    await cluster.finish(pod("grouped", container | {"securityContext": context}, restartPolicy="Never"))
    assert await cluster.logs("grouped") == "1000\n3000\n"


async def test_a_seccomp_profile_of_the_node_confines_the_container(cluster: Cluster) -> None:
    folder = cluster.config.seccomp_dir / "test"
    folder.mkdir(parents=True, exist_ok=True)
    refused = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}
    (folder / "no-mkdir.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refused]}))
    profile = {"type": "Localhost", "localhostProfile": "test/no-mkdir.json"}
    confined = shell("mkdir /tmp/x 2>&1 || true", securityContext={"seccompProfile": profile})
    await cluster.finish(pod("confined", confined, restartPolicy="Never"))
    assert "Operation not permitted" in await cluster.logs("confined")
