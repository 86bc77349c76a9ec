"""Limits that all containers of a pod share, in real ones."""

import asyncio

import pytest

from pilothouse.model.kinds import PODS
from tests.e2e.node.pods import Cluster, container, pod, shell

pytestmark = pytest.mark.containers
FILLS = "trap 'exit 0' TERM; while [ ! -e /v/go ]; do sleep 0.1; done; head -c 200m /dev/zero | tail -c 200m > /dev/null && echo done"


async def test_a_container_cannot_use_more_memory_than_its_pod_may(cluster: Cluster) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    wanted = pod(
        "whole",
        shell(FILLS, **mount),
        shell("touch /v/go; sleep 1000", "other", **mount),
        volumes=[{"name": "v", "emptyDir": {}}],
        resources={"limits": {"memory": "64Mi", "cpu": "1"}},
        restartPolicy="Never",
    )
    await cluster.create(wanted)
    found = await cluster.until("whole", lambda each: "terminated" in container(each).get("state", {}))
    assert container(found)["state"]["terminated"]["exitCode"] != 0
    assert "done" not in await cluster.logs("whole", container="main")
    assert found["status"]["qosClass"] == "Guaranteed"
    stored = await cluster.client.get(PODS, "whole", "default")
    assert stored["spec"]["resources"]["requests"] == {"cpu": "1", "memory": "64Mi"}
    await cluster.delete("whole", grace_s=0)


async def test_two_containers_share_what_their_pod_may_use_of_the_processor(cluster: Cluster) -> None:
    burns = "while :; do :; done"
    await cluster.run(pod("burns", shell(burns), shell(burns, "other"), resources={"limits": {"cpu": "200m", "memory": "64Mi"}}))

    async def used_ns() -> int:
        return sum([each.cpu_ns for each in await cluster.agent._runtime.usage() if each.name in ("main", "other")])

    before, began = await used_ns(), asyncio.get_running_loop().time()
    await asyncio.sleep(3)
    share = (await used_ns() - before) / 1e9 / (asyncio.get_running_loop().time() - began)
    assert share < 0.35
    await cluster.delete("burns", grace_s=0)
