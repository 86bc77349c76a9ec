"""Real containers that are given other resources as they run: the kernel's own figures say what they have."""

import asyncio
from pathlib import Path

import pytest

from pilothouse.client.transport import STRATEGIC_PATCH
from pilothouse.engine.node.host.cgroups import ROOT, folder_of, is_v2, pod_parent
from pilothouse.model import meta
from pilothouse.model.json import Object
from pilothouse.model.kinds import PODS
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = pytest.mark.containers
MIB = 2**20


def resources(cpu: str, memory: str, limit: str) -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": limit, "memory": memory}}


async def resize(cluster: Cluster, name: str, wanted: Object) -> None:
    patch = {"spec": {"containers": [{"name": "main", "resources": wanted}]}}
    await cluster.client.patch(PODS, name, patch, namespace="default", type=STRATEGIC_PATCH, subresource="resize")


async def until_has(cluster: Cluster, name: str, wanted: Object) -> Object:
    def has(found: Object) -> bool:
        resizing = [each for each in found["status"].get("conditions") or () if each["type"].startswith("PodResize")]
        return container(found).get("resources") == wanted and not resizing and meta.is_true(found, "Ready")

    return await cluster.until(name, has)


def figures(cluster: Cluster, found: Object) -> tuple[int, int]:
    """CPU quota in microseconds of 100 ms and memory limit in bytes."""
    id = container(found)["containerID"].removeprefix("containerd://")
    folder = f"{folder_of(pod_parent(cluster.config.instance, found['metadata']['uid']))}/{id}"
    if is_v2():
        top = next((ROOT / folder).parent.glob(f"*{id}*"))
        return int(read(top / "cpu.max").split()[0]), int(read(top / "memory.max"))
    return int(read(ROOT / "cpu" / folder / "cpu.cfs_quota_us")), int(read(ROOT / "memory" / folder / "memory.limit_in_bytes"))


def read(file: Path) -> str:
    return file.read_text().strip()


def weight(cluster: Cluster, found: Object) -> int:
    folder = ROOT / ("" if is_v2() else "cpu") / folder_of(pod_parent(cluster.config.instance, found["metadata"]["uid"]))
    return int(read(folder / ("cpu.weight" if is_v2() else "cpu.shares")))


async def test_more_and_less_is_given_to_a_container_that_goes_on(cluster: Cluster) -> None:
    first = await cluster.run(pod("grows", shell(resources=resources("100m", "32Mi", "200m"))))
    assert figures(cluster, first) == (20_000, 32 * MIB)
    before = weight(cluster, first)
    for cpu, memory, limit in (("300m", "96Mi", "400m"), ("50m", "24Mi", "100m")):
        wanted = resources(cpu, memory, limit)
        await resize(cluster, "grows", wanted)
        found = await until_has(cluster, "grows", wanted)
        assert (container(found)["containerID"], container(found)["restartCount"]) == (container(first)["containerID"], 0)
        assert container(found)["allocatedResources"] == wanted["requests"]
        assert figures(cluster, found) == (int(limit.removesuffix("m")) * 100, int(memory.removesuffix("Mi")) * MIB)
        assert (weight(cluster, found) > before) == (cpu == "300m")
        before = weight(cluster, found)
    await cluster.delete("grows", grace_s=0)


async def test_a_container_whose_policy_says_so_is_restarted_with_what_it_gets(cluster: Cluster) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    await cluster.run(pod("again", shell(resources=resources("100m", "32Mi", "200m"), resizePolicy=policy)))
    wanted = resources("100m", "64Mi", "200m")
    await resize(cluster, "again", wanted)
    found = await until_has(cluster, "again", wanted)
    assert container(found)["restartCount"] == 1
    assert figures(cluster, found) == (20_000, 64 * MIB)
    await cluster.delete("again", grace_s=0)


async def test_a_limit_below_what_is_used_is_refused_until_less_is_used(cluster: Cluster) -> None:
    holds = "x=$(head -c 20000000 /dev/zero | tr '\\0' a); touch /tmp/held; while [ ! -e /tmp/go ]; do sleep 0.1; done; x=; exec sleep 1000"
    first = await cluster.run(pod("holds", shell(holds, resources=resources("100m", "128Mi", "200m"))))
    async with asyncio.timeout(25):
        while (await cluster.shell("holds", "test -e /tmp/held"))[1]:
            await asyncio.sleep(0.1)
    await resize(cluster, "holds", resources("100m", "16Mi", "200m"))
    found = await cluster.until("holds", lambda each: (meta.condition(each, "PodResizeInProgress") or {}).get("reason") == "Error")
    assert "below current usage" in (meta.condition(found, "PodResizeInProgress") or {})["message"]
    assert figures(cluster, found) == figures(cluster, first) == (20_000, 128 * MIB)
    await cluster.shell("holds", "touch /tmp/go")
    found = await until_has(cluster, "holds", resources("100m", "16Mi", "200m"))
    assert (figures(cluster, found), container(found)["restartCount"]) == ((20_000, 16 * MIB), 0)
    await cluster.delete("holds", grace_s=0)
